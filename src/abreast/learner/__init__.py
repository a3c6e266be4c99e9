"""The LightningModule: any network under any loss and any optimizer."""
