"""Every mistake in a configuration: one message that names it, exit code 2, and nothing heavy imported."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from support.command_line import ROOT, Outcome, run_all, run_command
from support.references import once, session_folder

SOURCE = ROOT / "src" / "abreast"

# Arguments -> pieces of the message, in order. {conf} is the user's own configuration directory, below.
MISTAKES = {
    # Groups and their options
    "optim=adamm": ["optim=adamm: no such option. optim takes: adabelief, ", "Did you mean optim=adam?"],
    "loss=cross_entropi": ["loss=cross_entropi: no such option", "Did you mean loss=cross_entropy?"],
    "metrics=macro_f2": ["metrics=macro_f2: no such option", "Did you mean metrics=macro_f1?"],
    "metrics=rmse": ["metrics.rmse: is for regression, but data.task=classification", "Metrics that fit: "],
    "monitor=val/auroc": ["monitor: 'val/auroc' is not measured.", "To measure it: metrics=auroc"],
    "metrics=auroc monitor=val/aurok": ["monitor: 'val/aurok' is not measured.", "Did you mean val/auroc?"],
    "+metrics.k._target_=torchmetrics.classification.MulticlassCohenKapa": [
        "Did you mean",
        "MulticlassCohenKappa?",
    ],
    "+metrics.k._target_=torchmetrics.classification.MulticlassROC": [
        "metrics.k.mode: ",
        "+metrics.k.mode=max, or",
    ],
    "+metrics.loss._target_=torchmetrics.classification.MulticlassRecall": ["is not a name for a metric"],
    "+metrics.auroc._target_=torchmetrics.classification.MulticlassRecall": [
        "is the name of abreast.metrics.AUROC"
    ],
    "metrics=brier +metrics.brier.mode=max": ["metrics.brier.mode: max is the wrong way; write null, or min"],
    "optim=3": ["optim=3: no such option. optim takes: adabelief, "],
    "experiment=mnist_mpl": ["experiment=mnist_mpl: no such option", "Did you mean experiment=mnist_mlp?"],
    "optimm=adam": ["optimm: no such group or key. Groups: callbacks, data, ", "Did you mean optim?"],
    "+optim=sgd": ["+optim=sgd: optim has an option already; write optim=sgd"],
    "++optim=sgd": ["++optim=sgd: optim has an option already; write optim=sgd"],
    "+experiment=mnist_mlp": ["+experiment=mnist_mlp: experiment has an option already; write experiment="],
    "~optim": ["optim: is missing; choose one of adabelief, "],
    "--config-dir {conf} loss=min": [
        "loss=min: no such option. loss takes: ",
        "mine",
        "Did you mean loss=mine?",
    ],
    "--config-dir {conf} study=small": ["study=small: study is not a part of every run; write +study=small"],
    "--config-dir {conf} experiment=bad_option": [
        "In experiment/bad_option.yaml: optim=adamm: no such option. optim takes: ",
        "Did you mean optim=adam?",
    ],
    # Keys
    "optim.lrr=3": [
        "optim.lrr: no such key. optim=adam takes: lr, betas, eps, weight_decay, amsgrad, ",
        "fused",
        "Did you mean optim.lr?",
    ],
    "optim=sgd optim.lrr=3": ["optim.lrr: no such key. optim=sgd takes: lr, momentum, "],
    "+optim.lrr=3": ["optim.lrr: no such key. optim=adam takes: lr, ", "Did you mean optim.lr?"],
    "optim.maximize=true": ["torch.optim.Adam takes it; write +optim.maximize=true"],
    "+optim.lr=3": ["+optim.lr=3: the key exists; write optim.lr=3"],
    "foo=1": ["foo: no such group or key. Groups: callbacks, ", "Keys: seed, "],
    "+foo=1": ["foo: no such group or key. Groups: callbacks, ", "Keys: seed, "],
    "+optm.lr=1": ["optm: no such group or key", "Did you mean optim?"],
    "seeed=1": ["seeed: no such group or key", "Did you mean seed?"],
    "study.seeds=2": [
        "study: has no keys, as its files set those of other parts",
        "abreast show study=... lists",
    ],
    "+debug.x=2": ["debug: has no keys, as its files set those of other parts"],
    "seed.x=1": ["seed.x=1: seed holds one value, not keys"],
    "optim.betas.7=0.5": ["optim.betas.7: optim.betas has 2 entries, counted from 0"],
    "+loss.criterion.label_smothing=0.1": [
        "loss.criterion.label_smothing: no such key. torch.nn.CrossEntropyLoss takes: weight, ",
        "Did you mean loss.criterion.label_smoothing?",
    ],
    "model.hiden=[3]": ["model.hiden: no such key. model=mlp takes: hidden, ", "Did you mean model.hidden?"],
    "data.batchsize=3": ["data.batchsize: no such key. data=digits takes: ", "Did you mean data.batch_size?"],
    "data=table data.file=a.csv data.target=b data.batchsize=3": [  # the others are keys, without a default
        "data.batchsize: no such key. data=table takes: file, target, ",
    ],
    "lr=0.1": ["lr: no such group or key. Groups: ", "Did you mean optim.lr?"],
    "epochs=3": ["epochs: no such group or key", "Did you mean trainer.max_epochs?"],
    "data=a.csv": [
        "data=a.csv: no such option. ",
        "data=table data.file=a.csv data.target=COLUMN; docs/data.md",
    ],
    "data=my/photos": ["For a file of yours: data=images data.dir=my/photos; docs/data.md"],
    "trainer.max_epoch=3": ["trainer.max_epoch: no such key", "Did you mean trainer.max_epochs?"],
    "logger=null": ["logger=null: no such option. logger takes: many, mlflow, none, "],
    "~logger": ["logger: is missing; choose one of many, mlflow, none, "],
    "+trainer.logger=false": ["trainer.logger: the run fills this in; leave it out"],
    "~schedule.monitor": ["schedule.monitor: is missing; a schedule has scheduler, interval, monitor"],
    "~data.val_fraction": ["data.val_fraction: is missing; the run needs it"],
    "~optim._partial_": ["optim._partial_: must be true: the run itself calls it"],
    "loss._target_=torch.nn.MSELoss": [
        "loss._target_: must be abreast.losses.Loss; torch.nn.MSELoss belongs"
    ],
    "+schedule.intervall=step": ["schedule.intervall: no such key. ", "Did you mean schedule.interval?"],
    "optim=muon +optim.adamw.lrr=1": ["optim.adamw.lrr: no such key. torch.optim.AdamW takes: lr, "],
    "+optim.params=3": ["optim.params: the run fills this in; leave it out"],
    "--config-dir {conf} experiment=bad_key": ["optim.lrr: no such key. optim=sgd takes: lr, momentum, "],
    "--config-dir {conf} +experiment@here=bad_key": [
        "In 'experiment/bad_key': Invalid Defaults List override"
    ],
    "--config-dir {conf} experiment=bad_group": [
        "In experiment/bad_group.yaml: override /optimm: no such group. Groups: ",
        "Did you mean /optim?",
    ],
    "--config-dir {conf} experiment=bad_place": [
        "In experiment/bad_place.yaml: override optim: groups are named from the top; ",
        "write override /optim: sgd",
    ],
    "--config-dir {conf} experiment=no_override": [
        "In experiment/no_override.yaml: optim has an option already; write override /optim: sgd"
    ],
    "--config-dir {conf} experiment=local_override": [
        "In experiment/local_override.yaml: override /optim: is sought in experiment.optim; "
        "the file's first line must be `# @package _global_`"
    ],
    "--config-dir {conf} experiment=no_text": ["no_text.yaml: is not UTF-8 text"],
    "--config-dir {conf} optim=from_nowhere": [
        "optim.lr: KeyError",
        "Environment variable 'NOSUCH' not found",
    ],
    "--config-dir {conf} experiment=no_package": [
        "experiment: is not a part of a run; the first line of experiment/no_package.yaml must be "
        "`# @package _global_`"
    ],
    "--config-dir {conf} experiment=no_yaml": ["no_yaml.yaml, line 3: did not find expected"],
    # Targets
    "optim._target_=torch.optim.Adamm": [
        "optim._target_: torch.optim has no Adamm. Did you mean torch.optim.Adam?"
    ],
    "optim._target_=torch.optm.Adam": ["optim._target_: torch has no optm. Did you mean torch.optim?"],
    "optim._target_=nosuch.Adam": [
        "optim: nosuch is not installed: if it is a module of your own, put it into the working directory; "
        "else install the package that it comes from, if you trust it"
    ],
    "optim._target_=torch.optim": ["optim._target_: torch.optim is a module, not a class or function"],
    "optim._target_=os.system": ["optim._target_: os.system is part of Python"],
    "optim._target_=Adam": ["optim._target_: 'Adam' is not a dotted name such as torch.optim.Adam"],
    "~optim._target_": ["optim: has no _target_, the dotted name of the class or function to build"],
    "--config-dir {conf} loss=misnamed": [
        "loss.criterion._target_: my_losses has no Min. Did you mean my_losses.Mine?"
    ],
    "schedule=step ~schedule.scheduler.step_size": ["schedule.scheduler.step_size: is missing; torch.optim"],
    # Types
    "optim.lr=fast": ["optim.lr: 'fast' is not a number (float)"],
    "optim.lr=[0.1]": ["optim.lr: [0.1] is not a number (float)"],
    "optim.lr=true": ["optim.lr: true is not a number (float)"],
    "optim.lr=nan": ["optim.lr: nan is not a finite number"],
    "optim.lr=inf": ["optim.lr: inf is not a finite number"],
    "optim.betas=[0.9]": ["optim.betas: takes 2 values, got 1: [0.9]"],
    "optim.betas=[0.9,x]": ["optim.betas[1]: 'x' is not a number (float)"],
    "optim.amsgrad=maybe": ["optim.amsgrad: 'maybe' is not true or false"],
    "trainer.max_epochs=many": ["trainer.max_epochs: 'many' is not a whole number (int) or null"],
    "trainer.max_epochs=2.0": ["trainer.max_epochs: 2.0 is not a whole number", "write trainer.max_epochs=2"],
    "model.hidden=abc": ["model.hidden: 'abc' is not a list of whole numbers"],
    "model.gain=abc": ["model.gain: 'abc' is not a number (float) or a list of numbers"],
    "model=cnn model.padding=sam": ["model.padding: 'sam' is not one of same", "Did you mean same?"],
    "model=cnn model.kernels=[3,0]": ["model.kernels[1]: must be at least 1, got 0"],
    "model=resnet model.blocks=0": ["model.blocks: must be at least 1, got 0"],
    "model.hidden=256": ["model.hidden: 256 is not a list of whole numbers; write model.hidden=[256]"],
    "data.batch_size=1.5": ["data.batch_size: 1.5 is not a whole number (int)"],
    "model.activation=rellu": ["model.activation: 'rellu' is not one of relu, ", "Did you mean relu?"],
    "model.norm=batchnorm": [
        "model.norm: 'batchnorm' is not one of batch, layer or null. Did you mean batch?"
    ],
    "trainer.precision=bf17-mixed": [
        "trainer.precision: 'bf17-mixed' is not one of",
        "Did you mean bf16-mixed?",
    ],
    "seed=one": ["seed: 'one' is not a whole number (int)"],
    "monitor=3": ["monitor: 3 is not text (str) or null"],
    "steps_per_execution=many": ["steps_per_execution: 'many' is not a whole number (int)"],
    "data=idx data.train_labels=b data.test_images=c data.test_labels=d": [
        "data.train_images: has no value yet; write data.train_images=..."
    ],
    "optim.lr=${{optim.lrr}}": ["optim.lr: Interpolation key 'optim.lrr' not found"],
    # Ranges
    "optim.lr=-1": ["optim.lr: must be at least 0, got -1"],
    "optim.betas=[0.9,1.0]": ["optim.betas[1]: must be in [0, 1), got 1.0"],
    "steps_per_execution=0": ["steps_per_execution: must be at least 1, got 0"],
    "trainer.limit_train_batches=0": ["trainer.limit_train_batches: must be a number of batches", "got 0"],
    "seed=-1": ["seed: must be in [0, 2**32), got -1"],
    "checkpoint=bets": ["checkpoint: 'bets' is not one of best, last. Did you mean best?"],
    "data.batch_size=0": ["data.batch_size: must be at least 1, got 0"],
    "data.val_fraction=1.0": ["data.val_fraction: must be in [0, 1), got 1.0"],
    "data.folds=1 data.fold=0": ["data.folds: must be at least 2, got 1"],
    "data.folds=5 data.fold=5": ["data.fold: must be from 0 to 4 with data.folds=5, got 5"],
    "data.folds=5 data.fold=-1": ["data.fold: must be at least 0, got -1"],
    "data.folds=5": ["data.folds: 5 folds, but no data.fold; write data.fold=0,1,2,... with -m"],
    "data.fold=1": ["data.fold: 1 is one of how many folds? Write data.folds=5, or data.fold=null"],
    "data.folds=2.5 data.fold=0": ["data.folds: 2.5 is not a whole number (int) or null"],
    "data=random data.noise=0.95": ["data.noise: must be below 0.9 with 10 classes"],
    "model.hidden=[64,0]": ["model.hidden[1]: must be at least 1, got 0"],
    "model.dropout=1": ["model.dropout: must be in [0, 1), got 1"],
    "loss.criterion.label_smoothing=2": ["loss.criterion.label_smoothing: must be in [0, 1], got 2"],
    "+loss.criterion.reduction=sum": ["loss.criterion.reduction: must be one of mean, batchmean, got sum"],
    "loss.scores=log_prob": [
        "loss.scores: 'log_prob' is not one of logits, log_probs, ",
        "Did you mean log_probs?",
    ],
    "optim=muon optim.adamw.lr=-1": ["optim.adamw.lr: must be at least 0, got -1"],
    "trainer.max_epochs=0": ["trainer.max_epochs: must be at least 1, or -1 for no limit, got 0"],
    "trainer.gradient_clip_val=0": [
        "trainer.gradient_clip_val: must be above 0, or null for no clipping, got 0"
    ],
    "trainer.accelerator=gpuu": ["trainer.accelerator: must be one of auto, ", "Did you mean gpu?"],
    "trainer.strategy=dpp": ["trainer.strategy: must be auto, ddp, ", "Did you mean ddp?"],
    "trainer.devices=0": ["trainer.devices: must be at least 1, or auto"],
    "schedule=step schedule.scheduler.step_size=0": [
        "schedule.scheduler.step_size: must be at least 1, got 0"
    ],
    "schedule.interval=batch": ["schedule.interval: 'batch' is not one of step, epoch"],
    # What keys mean for each other
    "data=random_regression": [
        "loss: it is for classification, but data.task=regression. Losses that fit: huber, l1, mse"
    ],
    "loss.scores=probs": [
        "loss.scores: CrossEntropyLoss does not take probs: it applies log-softmax itself",
        "write loss.scores=logits",
    ],
    "loss=nll loss.scores=logits": [
        "loss.scores: NLLLoss does not take logits: ",
        "write loss.scores=log_probs",
    ],
    "loss=focal loss.targets=one_hot": [
        "loss.targets: Focal does not take one_hot: ",
        "write loss.targets=index",
    ],
    "loss=mse loss.scores=probs": ["loss.scores: regression takes the scores as they are"],
    "loss=kl_div +loss.criterion.log_target=true": ["loss.criterion.log_target: "],
    "monitor=val/acc": [
        "monitor: 'val/acc' is not measured. classification has train/loss, ",
        "val/accuracy?",
    ],
    "data.val_fraction=0 callbacks=early_stopping": [
        "callbacks.early_stopping: data.val_fraction=0 leaves no validation examples"
    ],
    "data.val_fraction=0 schedule=plateau": ["schedule.monitor: data.val_fraction=0 leaves no"],
    "data.val_fraction=0 monitor=val/loss": [
        "monitor: data.val_fraction=0",
        "write monitor=train/loss",
    ],
    "trainer.limit_val_batches=0": [
        "monitor: trainer.limit_val_batches=0 leaves validation out",
        "train/loss",
    ],
    "trainer.check_val_every_n_epoch=11": ["monitor: trainer.check_val_every_n_epoch=11 is more than "],
    "schedule=plateau schedule.monitor=val/accuracy": [
        "schedule.scheduler.mode: min is the wrong way for val/accuracy; write schedule.scheduler.mode=max"
    ],
    "callbacks=early_stopping callbacks.early_stopping.monitor=val/accuracy": [
        "callbacks.early_stopping.mode: min is the wrong way for val/accuracy; write ",
    ],
    "schedule=plateau schedule.monitor=null": ["schedule.monitor: this schedule watches a value"],
    "optim=sgd optim.nesterov=true": ["optim.nesterov: needs a momentum"],
    "optim=nesterov optim.dampening=0.5": ["optim.nesterov: needs optim.dampening=0"],
    "optim=rprop optim.etas=[1.2,0.5]": ["optim.etas: must be 0 < first < 1 < second, got [1.2, 0.5]"],
    "optim.betas=[0,0.9]": ["optim.betas: torch takes decimal numbers only; write optim.betas=[0.0, 0.9]"],
    "optim=lbfgs trainer.accumulate_grad_batches=2": ["trainer.accumulate_grad_batches: LBFGS"],
    "optim=lbfgs trainer.gradient_clip_val=1": ["trainer.gradient_clip_val: LBFGS"],
    "optim=lbfgs trainer.precision=16-mixed": ["trainer.precision: LBFGS does not work with 16-mixed"],
    "trainer.precision=16-mixed trainer.gradient_clip_val=1": ["write optim.fused=false"],
    "trainer.max_epochs=-1": ["trainer.max_epochs: the run would never end"],
    "data=wine loss.criterion.weight=[1,2]": [
        "loss.criterion.weight: has 2 numbers for 3 classes: give one a class"
    ],
    "data=torchvision data.name=CIFAR100 loss=bce loss.criterion.pos_weight=[1]": [
        "loss.criterion.pos_weight: has 1 number for 100 classes: give one a class"
    ],
    "model.gain=[1,2,3]": [
        "model.gain: has 3 factors for 2 layers with weights; give one for each, or a single number for the "
        "last one"
    ],
    "model=cnn model.hidden=[8,8] model.gain=[1,2]": [
        "model.gain: has 2 factors for 5 layers with weights; give one for each, or a single number for the "
        "last one"
    ],
    "model.residual=true model.hidden=[4,5]": [
        "model.residual: adds a hidden layer to the one before it, of the same width, but "
        "model.hidden=[4, 5] has no such neighbours; write model.hidden=[64,64,64], for example"
    ],
    "loss=hinge data.augment={{cutmix:1}}": [
        "data.augment.cutmix: gives each example shares of two classes, and this loss takes one class. "
        "Losses that take shares: "
    ],
    "data=random data.classes=3 loss.criterion.weight=[1,2]": [
        "loss.criterion.weight: has 2 numbers for 3 classes: give one a class"
    ],
    "schedule=one_cycle optim=adagrad schedule.scheduler.cycle_momentum=true": [
        "schedule.scheduler.cycle_momentum: this optimizer has no momentum; write false"
    ],
    # The command line itself
    "evaluat": [
        "evaluat: is neither key=value nor a command (plan, decide, report, ls, show, compare, evaluate, "
        "predict, export, tag, rm, completion). "
        "Did you mean evaluate?"
    ],
    "reprot runs/sweep --margin 0.1": ["reprot: is not a command. Did you mean report?"],
    "reprot runs/sweep": ["reprot: is neither key=value nor a command", "Did you mean report?"],
    "optim.lr=[1": ["optim.lr=[1: cannot be read: a bracket or a quote is not closed"],
    "optim.lr=$(1)": [
        "optim.lr=$(1): cannot be read: put a value with special characters in quotes: 'optim.lr="
    ],
    "optim..lr=3": ["optim..lr=3: cannot be read: 'optim..lr' is not a key such as optim.lr"],
    "optim={{lrr:3}}": ["optim.lrr: no such key. optim=adam takes: lr, ", "Did you mean optim.lr?"],
    "optim.lr=interval(0,1)": ["optim.lr=interval(0,1): is a sweep: add -m"],
    "--multirn seed=1,2": ["--multirn: no such flag. Did you mean --multirun?"],
    "--config-dir nowhere": ["--config-dir nowhere: there is no such directory"],
    "--config-name trian": ["trian: there is no such file in "],
    "--cfg jobb": ["argument --cfg/-c: invalid choice: 'jobb'"],
    "--resolve": ["The --resolve flag can only be used in conjunction with --cfg or --help"],
    "optim.lr=0.1,0.2": ["optim.lr=0.1,0.2: is a sweep: add -m; one list is optim.lr=[0.1,0.2]"],
    "optim=sgd,adam": ["optim=sgd,adam: is a sweep: add -m"],
    "hydra/launcher=basik": ["hydra/launcher=basik: no such option. ", "Did you mean hydra/launcher=basic?"],
    "hydra.job.nam=x": ["Could not override 'hydra.job.nam'.", "--cfg hydra shows"],
    # Sweeps: found before the first job starts
    "-m hydra/sweeper=abreast_search seed=0,1 optim.lr=0.1,0.2": [
        "seed=0,1: a search (hydra/sweeper=abreast_search) would choose the luckiest seed. Leave it out",
    ],
    "-m hydra/sweeper=abreast_search data.split_seed=interval(0,9) loss=mse,hinge": [
        "data.split_seed=interval(0,9): a search",
        "let a study tune and repeat",
    ],
    "-m optim=sgd,adamm": ["optim=adamm: no such option. optim takes: ", "Did you mean optim=adam?"],
    # What Hydra itself takes without a word, or answers with a traceback
    "hydra.run.dir=": ["hydra.run.dir: is empty; write hydra.run.dir=DIR, or leave it out"],
    "-m seed=1,2 hydra.sweep.dir=": ["hydra.sweep.dir: is empty"],
    "-m seed=1,2 hydra.sweep.subdir=x": ["hydra.sweep.subdir: all runs would be written to x"],
    "hydra.output_subdir=../x": ["hydra.output_subdir: ../x leads out of the directory", ".hydra, or null"],
    "hydra.searchpath=[/nope]": ["hydra.searchpath: /nope: there is no such directory or package"],
    "hydra.verbose=7": ["hydra.verbose=7: must be true, false, the name of a logger"],
    "hydra.job.config_name=x": ["is what Hydra records, not what it does"],
    "hydra.job.name=../x": ["hydra.job.name: '../x' names the log's file, too; write a name without folders"],
    "hydra.runtime.output_dir=x": ["is what Hydra records, not what it does", "hydra.run.dir=DIR"],
    "hydra.launcher.max_lane=3": ["Did you mean hydra.launcher.max_lanes?"],
    "-m seed=1,2 hydra.launcher.threads=0": ["hydra.launcher.threads: must be at least 1, got 0"],
    "-m seed=1,2 hydra.launcher.keep=nan": ["hydra.launcher.keep: must be in (0, 1], got nan"],
    "-m optim.lr=interval(0,1)": ["an interval is for a search", "as in optim.lr=0.01,0.1"],
    "optim.lr=1e-400": ["optim.lr: 1e-400 is too small for a number; write 0 if that is meant"],
    "loss=[mse,hinge]": ["loss=[mse,hinge]: a run has one loss; for a run with each: ", "-m loss=mse,hinge"],
    "=3": ["=3: has no key before the =; write key=value"],
    "+trainer.val_check_interval=0": ["trainer.val_check_interval: must be a number of batches, or a share"],
    "resume=a resume=b": ["resume=b: one run is resumed at a time, and a is given already"],
    "-m optim=glob(x*) seed=-1": ["optim=glob(x*): has no value, so that there is nothing to run"],
    "-m optim=adam,sgd optim.amsgrad=true": ["optim.amsgrad: no such key. optim=sgd takes: lr, momentum, "],
    "-m seed=1,2 optim.lr=-1": ["optim.lr: must be at least 0, got -1"],
    "-m data=random_regression seed=1,2": ["loss: it is for classification"],
    "-m seed=1,2 optim.lrr=3": ["optim.lrr: no such key. optim=adam takes: lr, "],
}

USER_FILES = {
    "my_losses.py": "import torch\nclass Mine(torch.nn.Module):\n    def __init__(self, scale=1.0): ...\n",
    "my_conf/loss/mine.yaml": (
        "_target_: abreast.losses.Loss\ncriterion: {_target_: my_losses.Mine}\n"
        "scores: logits\ntargets: index\ntasks: [classification]\n"
    ),
    "my_conf/loss/misnamed.yaml": "defaults: [mine, _self_]\ncriterion: {_target_: my_losses.Min}\n",
    "my_conf/study/small.yaml": "# @package _global_\nseed: 1\n",
    "my_conf/experiment/bad_option.yaml": "# @package _global_\ndefaults: [{override /optim: adamm}]\n",
    "my_conf/experiment/bad_key.yaml": (
        "# @package _global_\ndefaults: [{override /optim: sgd}]\noptim:\n  lrr: 0.1\n"
    ),
    "my_conf/experiment/bad_group.yaml": "# @package _global_\ndefaults: [{override /optimm: sgd}]\n",
    "my_conf/experiment/bad_place.yaml": "# @package _global_\ndefaults: [{override optim: sgd}]\n",
    "my_conf/experiment/no_override.yaml": "# @package _global_\ndefaults: [{/optim: sgd}]\n",
    "my_conf/experiment/local_override.yaml": "defaults: [{override /optim: sgd}]\nseed: 3\n",
    "my_conf/experiment/no_text.yaml": "\udcff\udcfe",
    "my_conf/optim/from_nowhere.yaml": ("_target_: torch.optim.SGD\n_partial_: true\nlr: ${oc.env:NOSUCH}\n"),
    "my_conf/experiment/no_package.yaml": "optim:\n  lr: 0.1\n",
    "my_conf/experiment/no_yaml.yaml": "# @package _global_\noptim: [1\n",
}


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def make(folder: Path) -> None:
        user, here = folder / "user", folder / "here"
        for name, text in USER_FILES.items():
            (user / name).parent.mkdir(parents=True, exist_ok=True)
            (user / name).write_bytes(text.encode(errors="surrogateescape"))
        here.mkdir()
        rows = [(here, line.format(conf=user / "my_conf").split(" ")) for line in MISTAKES]
        (folder / "outcomes.json").write_text(json.dumps([asdict(outcome) for outcome in run_all(rows)]))

    folder = once(session_folder(tmp_path_factory, "mistakes"), make)
    rows = json.loads((folder / "outcomes.json").read_text())
    outcomes: dict[str, Any] = {
        line: Outcome(**{**row, "heavy": tuple(row["heavy"])})
        for line, row in zip(MISTAKES, rows, strict=True)
    }
    return {**outcomes, "directories": [path.name for path in (folder / "here").iterdir()]}


@pytest.mark.parametrize("line", MISTAKES)
def test_one_message(outcomes: Any, line: Any) -> None:
    outcome = outcomes[line]
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    message = outcome.err
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1, message
    place = 0
    for piece in MISTAKES[line]:
        assert piece in message[place:], message
        place = message.index(piece, place) + len(piece)


def test_nothing_heavy_is_imported(outcomes: Any) -> None:
    assert {outcomes[line].heavy for line in MISTAKES} == {()}


def test_no_run_directory_is_made(outcomes: Any) -> None:
    assert outcomes["directories"] == []


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    line = "optim.lr=fast +optim.lrr=3 data.batch_size=0 model.hidden=[0] +foo=1 monitor=val/acc"
    outcome = run_all([(tmp_path, line.split())])[0]
    assert outcome.code == 2
    keys = [message.partition(":")[0] for message in outcome.err.splitlines()]
    assert sorted(keys) == ["data.batch_size", "foo", "model.hidden[0]", "monitor", "optim.lr", "optim.lrr"]


@pytest.mark.parametrize(
    "line", ["optim=adamm", "optim.lrr=3", "optim.lr=fast", "+foo=1", "--nosuch", "-m seed=x"]
)
def test_as_a_user_runs_it(tmp_path: Path, line: str) -> None:
    code = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    check = (
        "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, 'numpy' in sys.modules))\n"
    )
    command = [sys.executable, "-c", check + code, str(ROOT / "train.py"), *line.split()]
    outcome = run_command(command, tmp_path)
    assert outcome.code == 2
    assert outcome.out.split() == ["False", "False"]
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_hydra_full_error_gives_tracebacks(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "optim=adamm"]
    outcome = run_command(command, tmp_path, HYDRA_FULL_ERROR="1")
    assert outcome.code == 1
    assert "Traceback" in outcome.err


def _file(name: str) -> Any:
    """Where a module of this package would be."""
    return SOURCE.joinpath(*name.split(".")[1:]).with_suffix(".py")


def _is_for_the_type_checker(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imports(path: Path, seen: Any) -> Any:
    """Modules that a file of this package imports, early or late, this package's own followed."""
    tree = ast.parse(path.read_text())
    never = {part for node in ast.walk(tree) if _is_for_the_type_checker(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if node in never:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [node.module, *(name for name in modules if _file(name).is_file())]  # type: ignore[list-item]
        for name in names:
            if name not in seen:
                seen.add(name)
                file = _file(name)
                # Imported inside `task` alone; the last one imports torch where other ranks have to be told.
                begins = (
                    "abreast.training.run",
                    "abreast.build.changed_data",
                    "abreast.study.run",
                    "abreast.study.decide.run",
                    "abreast.training.external_ranks",
                )
                if name.startswith("abreast.") and name not in begins and file.is_file():
                    _imports(file, seen)
    return seen


def test_what_runs_before_the_checks_reaches_nothing_heavy() -> None:
    seen = _imports(SOURCE / "cli" / "main.py", set())
    assert {
        "abreast.validation.validate",
        "abreast.static.signatures",
        "abreast.validation.hydra_errors",
        "abreast.errors",
        "hydra",
    } <= seen
    packages = {name.partition(".")[0] for name in seen}
    assert packages - sys.stdlib_module_names == {"abreast", "annotated_types", "hydra", "omegaconf", "yaml"}
    assert Path(SOURCE / "validation" / "validate.py").is_file()
