"""The keys that abreast itself reads, for Hydra to compose."""
