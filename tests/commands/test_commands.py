"""Every command on the command line: help, dry run, flagfiles and bad input."""

import collections
import dataclasses
import json
import os
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row
from rumi_tf.runs import directories, resolve
from rumi_tf.utils.io import read_csv
from tests.conftest import ROOT, command

TRAIN = ("reproduce.train", "--runs_dir={out}/runs", "--iterations=2")
SAMPLE = ("reproduce.sample", "--grid={out}/g.png")
EVALUATE = ("reproduce.evaluate", "--out={out}/evaluation", "--cache_dir={out}/cache")
INCEPTION = (*EVALUATE, "--images={images}", "--reference={images}", "--embedding=inception")
AUGMENT = ("reproduce.augment", "--runs_dir={out}/runs", "--out={out}/o", "--minority_class=5")
COMMANDS = sorted(
    f"{path.parent.name}.{path.stem}"
    for folder in ("reproduce", "figures")
    for path in (ROOT / folder).glob("[!_]*.py")
)
FOLDER = ("--dataset=folder", "--data_dir={images}", "--minority_class=a", "--image_size=32")
BAD = [
    # dataset, class, objective, split
    ("dataset", (*TRAIN, "--dataset=minst")),
    ("objective", (*TRAIN, "--objective=wgangp")),
    ("split", (*TRAIN, "--split=odds")),
    ("split", (*TRAIN, "--split=animals")),
    ("minority_class", (*TRAIN, "--minority_class=ten")),
    ("minority_class", (*TRAIN, "--split=unbalanced")),
    ("minority_class", (*TRAIN, "--split=even", "--minority_class=3")),
    ("minority_size", (*TRAIN, "--minority_class=3", "--minority_size=1000")),
    ("positive_classes", (*TRAIN, "--positive_classes=1,x")),
    ("negative_classes", (*TRAIN, "--positive_classes=1", "--negative_classes=12")),
    ("attribute", (*TRAIN, "--attribute=Bald")),
    ("image_size", (*TRAIN, "--image_size=48")),
    ("network", (*TRAIN, "--network=celeba")),
    # missing or unusable data
    ("data_dir", (*TRAIN, "--dataset=folder")),
    ("data_dir", (*TRAIN, "--data_dir={images}", "--minority_class=1")),
    ("data_dir", (*TRAIN, "--dataset=folder", "--data_dir={out}/absent")),
    ("data_dir", (*TRAIN, "--dataset=folder", "--data_dir={bad_images}", "--image_size=32")),
    ("data_dir", (*TRAIN, "--dataset=mnist", "--data_dir={out}/absent")),
    ("attribute", (*TRAIN, "--dataset=celeba", "--data_dir={celeba}", "--attribute=Hat")),
    # numbers
    ("batch_size", (*TRAIN, "--batch_size=0")),
    ("batch_size", (*TRAIN, "--batch_size=many")),
    ("width", (*TRAIN, "--width=-1")),
    ("learning_rate", (*TRAIN, "--learning_rate=nan")),
    ("iterations", ("reproduce.train", "--iterations=0")),
    ("d_steps", (*TRAIN, "--d_steps=3")),
    ("seed", (*TRAIN, "--seed=-1")),
    ("runs_dir", ("reproduce.train", "--split=even", "--iterations=2", "--runs_dir=")),
    ("label_a", (*TRAIN, "--label_a=1")),
    ("label_b_pos", (*TRAIN, "--label_b_pos=-2")),
    ("beta_pos", (*TRAIN, "--objective=lsgan", "--beta_pos=2")),
    ("alpha_neg", (*TRAIN, "--objective=rumi_sgan", "--alpha_neg=-0.5")),
    ("Lemma 3.1", (*TRAIN, "--objective=rumi_sgan", "--alpha_pos=0")),
    ("Lemma 3.2", (*TRAIN, "--beta_pos=0")),
    ("Lemma 3.2", (*TRAIN, "--beta_neg=-1")),
    ("d_batch_norm", (*TRAIN, "--objective=uacgan", "--d_batch_norm=joint")),
    ("g_loss", (*TRAIN, "--objective=lsgan", "--g_loss=min_max")),
    ("fakes", (*TRAIN, "--fakes=none")),
    # few images
    ("d_augment", (*TRAIN, "--d_augment=rotation")),
    ("d_augment_fill", (*TRAIN, "--d_augment_fill=0")),
    ("d_augment_fill", (*TRAIN, "--d_augment=flip,color", "--d_augment_fill=0")),
    ("d_augment_fill", (*TRAIN, "--d_augment=cutout", "--d_augment_fill=255")),
    ("generator_ema", (*TRAIN, "--generator_ema=1")),
    ("recipe", (*TRAIN, "--recipe=many_images")),
    ("minority_sizes", ("figures.few_images", "--minority_sizes=0", "--out={out}/o")),
    ("minority_sizes", ("figures.few_images", "--minority_sizes=", "--out={out}/o")),
    ("minority_size", ("figures.few_images", "--minority_size=5", "--out={out}/o")),
    ("minority_sizes", ("figures.few_images", "--minority_sizes=5000", "--out={out}/o")),
    ("models", ("figures.few_images", "--models=acgan", "--out={out}/o")),
    ("cases", ("figures.few_images", "--cases=digits", "--out={out}/o")),
    # objectives and their parameters
    ("alpha_neg", (*TRAIN, "--objective=rumi_wgan_gp", "--alpha_neg=1")),
    ("alpha_neg", (*TRAIN, "--objective=rumi_fgan_kl", "--alpha_neg=-0.1")),
    ("alpha_pos", (*TRAIN, "--objective=rumi_dragan", "--alpha_pos=2")),
    ("gp_weight", (*TRAIN, "--objective=wgan", "--gp_weight=10")),
    ("mine_network", (*TRAIN, "--objective=acgan", "--mine_network=concat")),
    ("label_distribution", (*TRAIN, "--label_distribution=uniform")),
    ("network", (*TRAIN, "--network=uac_resnet", "--image_size=32")),
    (
        "d_batch_norm",
        (
            *TRAIN,
            "--objective=acgan",
            "--network=uac_resnet",
            "--image_size=32",
            "--d_batch_norm=joint",
        ),
    ),
    # conditional objectives with a single class
    ("objective", (*TRAIN, "--objective=acgan", "--positive_classes=1", "--negative_classes=1")),
    (
        "data_dir",
        (
            *TRAIN,
            "--objective=acgan",
            "--dataset=folder",
            "--data_dir={one_class}",
            "--image_size=32",
        ),
    ),
    # directories that are not writable
    ("runs_dir", (*TRAIN, "--runs_dir={file}/runs")),
    # the command line itself
    ("iteratons", (*TRAIN, "--iteratons=5")),
    ("flagfile", (*TRAIN, "--flagfile={out}/absent.flags")),
    ("extra", (*TRAIN, "extra")),
    ("train, input, precision, metrics, ", ("reproduce.benchmark",)),
    ("objectives, mixture, memory, cost, samples, all", ("reproduce.benchmark", "ensemble")),
    # sampling
    ("saved_model", SAMPLE),
    ("saved_model", (*SAMPLE, "--saved_model={out}/absent")),
    ("saved_model", (*SAMPLE, "--saved_model={images}")),
    ("num", (*SAMPLE, "--saved_model=x", "--num=0")),
    ("grid", ("reproduce.sample", "--saved_model=x")),
    ("grid", ("reproduce.sample", "--saved_model=x", "--grid={out}/g.jpeg")),
    ("npz", ("reproduce.sample", "--saved_model=x", "--npz={out}/s.npy")),
    # evaluation
    ("saved_model", EVALUATE),
    ("saved_model", (*EVALUATE, "--saved_model=x", "--images=y")),
    ("saved_model", (*EVALUATE, "--saved_model={out}/absent")),
    ("dataset", (*EVALUATE, "--images={images}")),
    ("images", (*EVALUATE, "--images={file}", "--dataset=digits")),
    ("images", (*EVALUATE, "--images={images}", "--dataset=digits")),
    ("images", (*EVALUATE, "--images={bad_images}", "--reference={images}")),
    ("reference", (*EVALUATE, "--images={images}", "--reference={out}/absent")),
    ("embedding", (*EVALUATE, "--images=x", "--dataset=digits", "--embedding=vgg")),
    ("inception_weights", (*INCEPTION, "--inception_weights={out}/absent.h5")),
    ("inception_weights", (*INCEPTION, "--inception_weights={images}/a/0.png")),
    ("eval_samples", (*EVALUATE, "--images=x", "--dataset=digits", "--eval_samples=1")),
    ("out", ("reproduce.evaluate", "--images={images}", "--dataset=digits", "--out={file}/x")),
    ("cache_dir", (*TRAIN, "--eval_every=1", "--cache_dir={file}/cache")),
    (
        "inception_weights",
        (*TRAIN, "--eval_every=1", "--embedding=inception", "--inception_weights={file}"),
    ),
    # figures
    ("objectives", ("figures.samples", "--objectives=")),
    ("datasets", ("reproduce.table1", "--datasets=minst", "--out={out}/o")),
    ("models", ("reproduce.table1", "--models=", "--out={out}/o")),
    ("seeds", ("reproduce.table1", "--seeds=a", "--out={out}/o")),
    ("shard", ("reproduce.table1", "--shard=3/2", "--out={out}/o")),
    ("only", ("reproduce.table1", "--only=VAE", "--out={out}/o")),
    ("strategy", ("reproduce.table1", "--datasets=digits", "--strategy=multi_worker",
                  "--out={out}/o")),
    ("strategy", ("figures.figure3", "--strategy=multi_worker", "--out={out}/o")),
    ("generated", ("reproduce.augment", "--minority_class=5", "--out={taken}")),
    ("eval_every", ("reproduce.table1", "--eval_every=0", "--out={out}/o")),
    ("cases", ("figures.figure2", "--cases=mnist_odd", "--out={out}/o")),
    ("num", ("figures.figure2", "--num=0", "--out={out}/o")),
    ("minority_size", ("figures.figure2", "--minority_size=3", "--out={out}/o")),
    ("data_dir", ("figures.figure2", "--data_dir={out}/absent", "--out={out}/o")),
    ("cases", ("figures.figure3", "--cases=", "--out={out}/o")),
    ("seeds", ("figures.figure3", "--seeds=-1", "--out={out}/o")),
    ("eval_every", ("figures.figure3", "--eval_every=0", "--out={out}/o")),
    ("jobs", ("figures.figure3", "--jobs=0", "--out={out}/o")),
    ("cases", ("figures.figure4", "--cases=digits", "--out={out}/o")),
    ("cases", ("figures.figure4", "--cases=digits_12", "--out={out}/o")),
    ("dataset", ("figures.figure4", "--dataset=digits", "--out={out}/o")),
    ("out", ("figures.figure4", "--cases=digits_5", "--out={file}/x")),
    ("models", ("reproduce.uac_table1", "--models=acgan,gan", "--out={out}/o")),
    ("models", ("reproduce.uac_table1", "--models=", "--out={out}/o")),
    ("batch_size", ("reproduce.uac_table1", "--batch_size=100", "--out={out}/o")),
    ("iterations", ("reproduce.uac_table1", "--iterations=1000", "--out={out}/o")),
    ("num_runs", ("reproduce.uac_table1", "--num_runs=0", "--out={out}/o")),
    ("out", ("reproduce.uac_table1", "--out={file}/x")),
    ("runs_dir", ("reproduce.uac_table1", "--runs_dir={file}/runs", "--out={out}/o")),
    ("models", ("figures.uac_figure1_mog", "--models=gan", "--out={out}/o")),
    ("out", ("figures.uac_figure1_mog", "--out={file}/x")),
    ("out", ("figures.uac_theorem1", "--out={file}/x")),
    ("sharpness", ("figures.uac_theorem1", "--sharpness=0", "--out={out}/o")),
    ("datasets", ("reproduce.uac_table2", "--datasets=celeba", "--out={out}/o")),
    ("models", ("reproduce.uac_table2", "--models=lsgan", "--out={out}/o")),
    ("seeds", ("reproduce.uac_table2", "--seeds=", "--out={out}/o")),
    ("split", ("reproduce.uac_table2", "--split=even", "--out={out}/o")),
    ("out", ("reproduce.uac_table2", "--out={file}/x")),
    ("num", ("figures.uac_figure1", "--num=0", "--out={out}/o")),
    ("datasets", ("figures.uac_figure1", "--datasets=", "--out={out}/o")),
    ("split", (*TRAIN, "--split=all")),
    ("strategy", (*TRAIN, "--strategy=multi_worker")),
    ("strategy", (*TRAIN, "--strategy=tpu")),
    ("alphas", ("figures.rumi_variants", "--alphas=a", "--out={out}/o")),
    ("alphas", ("figures.rumi_variants", "--alphas=-0.9", "--out={out}/o")),
    ("alphas", ("figures.rumi_variants", "--alphas=", "--out={out}/o")),
    ("alphas", ("figures.rumi_variants", "--alphas=nan,1", "--out={out}/o")),
    ("alpha", ("figures.rumi_variants", "--alpha=0", "--out={out}/o")),
    (
        "minority_class",
        (
            "figures.rumi_variants",
            "--dataset=digits",
            "--minority_class=77",
            "--runs_dir={out}/r",
            "--out={out}/o",
        ),
    ),
    (
        "minority_class",
        (
            "reproduce.objectives",
            "--dataset=digits",
            "--minority_class=77",
            "--runs_dir={out}/r",
            "--out={out}/o",
        ),
    ),
    ("objectives", ("reproduce.objectives", "--objectives=gan", "--out={out}/o")),
    ("iterations", ("reproduce.objectives", "--iterations=0", "--out={out}/o")),
    ("objective", ("figures.samples", "--objectives=lsgan,gan", "--out={out}/f")),
    ("out", ("figures.samples", "--iterations=1", "--runs_dir={out}/runs", "--out={file}/x")),
    ("settings", ("figures.lemmas", "--settings=sgan_overlap,lemma")),
    ("iterations", ("figures.lemmas", "--iterations=0")),
    ("out", ("figures.lemmas", "--out={file}/x")),
    # augmentation
    ("holdout", (*TRAIN, "--holdout=1")),
    ("minority_size", (*TRAIN, "--minority_class=5", "--holdout=0.9", "--minority_size=50")),
    ("minority_class", AUGMENT[:3]),
    ("minority_class", (*AUGMENT, "--minority_class=ten")),
    ("minority_class", (*AUGMENT, "--minority_class=3", "--minority_size=0")),
    ("minority_size", (*AUGMENT, "--minority_size=120")),
    ("objective", (*AUGMENT, "--objective=gan")),
    ("split", (*AUGMENT, "--split=even")),
    ("holdout", (*AUGMENT, "--holdout=-0.1")),
    ("holdout", (*AUGMENT, *FOLDER)),
    ("data_dir", (*AUGMENT, "--dataset=mnist", "--data_dir={out}/absent")),
    ("num", (*AUGMENT, "--num=0")),
    ("updates", (*AUGMENT, "--updates=0")),
    ("seeds", (*AUGMENT, "--seeds=")),
    ("seed", (*AUGMENT, "--seed=-1")),
    ("out", (*AUGMENT, "--out={file}/x")),
    ("out", (*AUGMENT, *FOLDER, "--out={images}/made")),
    ("out", (*AUGMENT, "--out={other_table}")),
    ("runs_dir", (*AUGMENT, "--runs_dir={file}/runs")),
    # report
    ("runs_dir", ("reproduce.report", "--runs_dir={out}/absent")),
    ("runs_dir", ("reproduce.report", "--runs_dir={file}")),
    ("runs_dir", ("reproduce.report", "--runs_dir={run}")),
    ("out", ("reproduce.report", "--runs_dir={images}", "--out={out}/page.txt")),
    ("out", ("reproduce.report", "--runs_dir={images}", "--out={file}/page.html")),
    # outputs that would overwrite something
    ("grid", ("reproduce.sample", "--saved_model=x", "--grid={directory}")),
    ("npz", (*SAMPLE, "--saved_model=x", "--npz={file}/x.npz")),
    (
        "runs_dir",
        (
            *TRAIN[:1],
            "--dataset=folder",
            "--data_dir={images}",
            "--runs_dir={images}/runs",
            "--minority_class=a",
            "--image_size=32",
        ),
    ),
    ("data_dir", (*TRAIN, "--dataset=mnist", "--data_dir={damaged}", "--split=even")),
    # numbers out of range
    ("batch_size", (*TRAIN, "--batch_size=99999999999999999999")),
    ("iterations", (*TRAIN, "--iterations=99999999999999999999")),
    ("eval_samples", (*TRAIN, "--eval_samples=99999999999999999999")),
    ("latent_dim", (*TRAIN, "--latent_dim=99999999999999999999")),
    ("seed", (*TRAIN, f"--seed={'9' * 5000}")),
    ("minority_class", (*TRAIN, f"--minority_class={'9' * 5000}")),
    ("learning_rate", (*TRAIN, "--learning_rate=1e999")),
    ("width", (*TRAIN, "--width=inf")),
    ("holdout", (*TRAIN, "--holdout=nan")),
    ("num", (*SAMPLE, "--saved_model=x", "--num=99999999999999999999")),
    ("seeds", ("reproduce.table1", f"--seeds={'9' * 5000}", "--out={out}/o")),
    ("shard", ("reproduce.table1", f"--shard=1/{'9' * 5000}", "--out={out}/o")),
    ("num", ("figures.figure2", "--num=99999999999999999999", "--out={out}/o")),
    ("iterations", ("figures.lemmas", "--iterations=99999999999999999999", "--out={out}/o")),
    ("updates", (*AUGMENT, "--updates=99999999999999999999")),
    ("epochs", ("reproduce.uac_table1", "--epochs=99999999999999999999", "--out={out}/o")),
    # invalid file names
    ("data_dir", (*TRAIN, "--dataset=folder", f"--data_dir={{out}}/{'a' * 300}")),
    ("data_dir", (*TRAIN, "--dataset=folder", "--data_dir={file}")),
    ("runs_dir", (*TRAIN, f"--runs_dir={{out}}/{'a' * 300}")),
    ("saved_model", (*SAMPLE, f"--saved_model={{out}}/{'a' * 300}")),
    ("saved_model", (*SAMPLE, "--saved_model={file}")),
    ("images", (*EVALUATE, f"--images={{out}}/{'a' * 300}", "--dataset=digits")),
    ("reference", (*EVALUATE, "--images={images}", f"--reference={{out}}/{'a' * 300}.npz")),
    ("inception_weights", (*INCEPTION, f"--inception_weights={{out}}/{'a' * 300}.h5")),
    ("out", ("reproduce.table1", f"--out={{out}}/{'a' * 300}")),
    ("grid", ("reproduce.sample", "--saved_model=x", f"--grid={{out}}/{'a' * 300}.png")),
    ("grid", ("reproduce.sample", "--saved_model=x", "--images={out}/x.png", "--grid={out}/x.png")),
    ("npz", ("reproduce.sample", "--saved_model=x", "--images={out}/x", "--npz={out}/x/s.npz")),
    ("minority_class", (*TRAIN, "--minority_class=\udcff")),
    ("runs_dir", (*TRAIN, "--runs_dir={out}/\udcff")),
    ("out", ("figures.lemmas", "--out={out}/\udcff")),
    # flagfiles
    ("flagfile", (*TRAIN, "--flagfile={images}")),
    ("flagfile", (*TRAIN, "--flagfile={images}/a/0.png")),
    ("flagfile", (*TRAIN, "--flagfile={flagfiles}/cycle")),
    ("flagfile", (*TRAIN, "--flagfile")),
    ("iteratons", (*TRAIN, "--flagfile={flagfiles}/unknown")),
    ("iterations", (*TRAIN, "--flagfile={flagfiles}/word")),
    ("stray", (*TRAIN, "--flagfile={flagfiles}/stray")),
    ("runs_dir", (*TRAIN, "--flagfile={flagfiles}/null")),
    ("out", ("figures.lemmas", "--flagfile={flagfiles}/null_out")),
    ("objectives", ("reproduce.objectives", "--objectives={flagfiles}/word.flags")),
    ("objectives", ("reproduce.objectives", "--objectives={flagfiles}/png.flags")),
    # train
    ("skip_unreadable", (*TRAIN, "--skip_unreadable=perhaps")),
    ("positive_classes", (*TRAIN, "--split=classes", "--positive_classes=,")),
    ("positive_classes", (*TRAIN, "--split=single", "--positive_classes=1,2")),
    ("negative_classes", (*TRAIN, "--split=single", "--positive_classes=1",
                          "--negative_classes=x")),
    ("positive_classes", (*TRAIN, "--minority_class=3", "--positive_classes=1")),
    ("jit", (*TRAIN, "--jit=on", "--strategy=mirrored")),
    ("steps_per_execution", (*TRAIN, "--steps_per_execution=3")),
    ("sync_batch_norm", (*TRAIN, "--nosync_batch_norm")),
    ("precision", (*TRAIN, "--precision=float16")),
    ("embedding", (*TRAIN, "--embedding=")),
    ("clip_value", (*TRAIN, "--objective=wgan", "--clip_value=0")),
    ("mine_ema_rate", (*TRAIN, "--objective=uacgan", "--mine_ema_rate=2")),
    ("data_dir", (*TRAIN, "--dataset=celeba", "--data_dir={celeba}/img_align_celeba/000001.jpg")),
    ("data_dir", (*TRAIN, "--dataset=celeba", "--data_dir={bad_celeba}")),
    ("extra", (*TRAIN, "--", "extra")),
    ("'-'", (*TRAIN, "-")),
    # sample
    ("seed", (*SAMPLE, "--saved_model=x", "--seed=-1")),
    ("num", (*SAMPLE, "--saved_model=x", "--num=1.5")),
    ("saved_model", (*SAMPLE, "--saved_model={bad_model}")),
    ("labl", (*SAMPLE, "--saved_model=x", "--labl=1")),
    # evaluate
    ("value_range", (*EVALUATE, "--images={float_npz}", "--dataset=digits")),
    ("images", (*EVALUATE, "--images={float_npz}", "--dataset=digits", "--value_range=unit")),
    ("value_range", (*EVALUATE, "--images={images}", "--dataset=digits", "--value_range=hdr")),
    ("minority_class", (*EVALUATE, "--images={images}", "--reference={images}",
                        "--minority_class=5")),
    ("protocol", (*INCEPTION, "--protocol=rumi_subset")),
    ("out", ("reproduce.evaluate", "--images={images}", "--dataset=digits",
             "--out={other_metrics}")),
    ("out", ("reproduce.evaluate", "--images={images}", "--dataset=digits",
             "--out={damaged_metrics}")),
    ("inception_weights", (*INCEPTION, "--inception_weights={bad_model}/m.keras")),
    ("saved_model", (*EVALUATE, "--saved_model={bad_model}")),
    # benchmark
    ("dataset", ("reproduce.benchmark", "metrics", "--dataset=celeba", "--out={out}/o")),
    ("data_dir", ("reproduce.benchmark", "metrics", "--data_dir={out}/absent", "--out={out}/o")),
    ("repetitions", ("reproduce.benchmark", "train", "--repetitions=0", "--out={out}/o")),
    ("width", ("reproduce.benchmark", "train", "--width=nan", "--out={out}/o")),
    ("batch_size", ("reproduce.benchmark", "objectives", "--batch_size=1", "--out={out}/o")),
    ("objectives", ("reproduce.benchmark", "objectives", "--objectives=gan", "--out={out}/o")),
    ("num_runs", ("reproduce.benchmark", "mixture", "--num_runs=99999999999", "--out={out}/o")),
    ("out", ("reproduce.benchmark", "memory", "--out={file}/o")),
    ("cache_dir", ("reproduce.benchmark", "memory", "--cache_dir={file}/c", "--out={out}/o")),
    ("train, input", ("reproduce.benchmark", "train", "metrics")),
    # tables and figures
    ("classes", ("reproduce.table1", "--datasets=mnist", "--classes=ten", "--out={out}/o")),
    ("classes", ("reproduce.table1", "--datasets=mnist", "--classes=", "--out={out}/o")),
    ("shard", ("reproduce.table1", "--shard=0/0", "--out={out}/o")),
    ("shard", ("reproduce.table1", "--shard=1", "--out={out}/o")),
    ("shard", ("reproduce.table1", "--shard=-1/2", "--out={out}/o")),
    ("seeds", ("reproduce.table1", "--seeds=1,,2", "--out={out}/o")),
    ("jobs", ("reproduce.table1", "--jobs=two", "--out={out}/o")),
    ("dataset", ("reproduce.table1", "--dataset=digits", "--out={out}/o")),
    ("out", ("reproduce.table1", "--out={a_file_is_a_directory}")),
    ("out", ("reproduce.uac_table1", "--out={file}")),
    ("samples", ("reproduce.uac_table1", "--samples=1", "--out={out}/o")),
    ("seed", ("reproduce.uac_table1", "--seed=-1", "--out={out}/o")),
    ("objective", ("reproduce.uac_table1", "--objective=acgan", "--out={out}/o")),
    ("out", ("reproduce.uac_table2", "--out={a_file_is_a_directory}")),
    ("iterations", ("reproduce.uac_table2", "--iterations=nan", "--out={out}/o")),
    ("out", ("reproduce.objectives", "--out={a_file_is_a_directory}")),
    ("jobs", ("reproduce.objectives", "--jobs=0", "--out={out}/o")),
    ("out", ("figures.figure2", "--cases=mnist_even", "--out={a_file_is_a_directory}")),
    ("jobs", ("figures.figure2", "--jobs=-1", "--out={out}/o")),
    ("published", ("figures.figure3", "--published=perhaps", "--out={out}/o")),
    ("out", ("figures.figure3", "--out={file}/o")),
    ("cases", ("figures.figure4", "--cases=_", "--out={out}/o")),
    ("seeds", ("figures.figure4", "--cases=digits_5", "--seeds=x", "--out={out}/o")),
    ("num", ("figures.samples", "--num=0", "--out={out}/o")),
    ("minority_class", ("figures.samples", "--minority_class=ten", "--out={out}/o")),
    ("runs_dir", ("figures.samples", "--runs_dir={file}/r", "--out={out}/o")),
    ("seed", ("figures.lemmas", "--seed=-1", "--out={out}/o")),
    ("settings", ("figures.lemmas", "--settings=../x", "--out={out}/o")),
    ("settings", ("figures.lemmas", "--settings=", "--out={out}/o")),
    ("alpha", ("figures.rumi_variants", "--alpha=nan", "--out={out}/o")),
    ("alphas", ("figures.rumi_variants", "--alphas=1e999", "--out={out}/o")),
    ("num", ("figures.uac_figure1", "--num=101", "--out={out}/o")),
    ("models", ("figures.uac_figure1", "--models=rumi_lsgan", "--out={out}/o")),
    ("seeds", ("figures.uac_figure1", "--seeds=0.5", "--out={out}/o")),
    ("out", ("figures.uac_figure1", "--out={a_file_is_a_directory}")),
    ("num_runs", ("figures.uac_figure1_mog", "--num_runs=0", "--out={out}/o")),
    ("network", ("figures.uac_figure1_mog", "--network=mnist", "--out={out}/o")),
    ("out", ("figures.uac_figure1_mog", "--out={a_file_is_a_directory}")),
    ("sharpness", ("figures.uac_theorem1", "--sharpness=nan", "--out={out}/o")),
    ("sharpness", ("figures.uac_theorem1", "--sharpness=1", "--out={out}/o")),
    ("out", ("figures.uac_theorem1", "--out={a_file_is_a_directory}")),
    ("extra", ("figures.uac_theorem1", "extra")),
    # augmentation
    ("seeds", (*AUGMENT, "--seeds=1.5")),
    ("positive_classes", (*AUGMENT, "--positive_classes=1")),
    ("minority_class", (*AUGMENT, "--minority_class=")),
    ("out", (*AUGMENT, "--out={a_file_is_a_directory}")),
]  # fmt: skip


DAMAGED = ",".join(field.name for field in dataclasses.fields(Row)) + "\nmnist,1,2\n"
LAST_WRITTEN = (
    "table1.md", "uac_table2.md", "objectives.md", "figure2.csv", "uac_figure1.csv",
    "uac_figure1_mog.csv", "uac_theorem1.csv", "augment.pdf",
)  # fmt: skip
FLAGFILE_TEXTS = {
    "cycle": "--flagfile={directory}/cycle\n", "unknown": "--iteratons=5\n",
    "word": "--iterations=many\n", "word.flags": "--iterations=many\n", "stray": "stray\n",
    "null": "--runs_dir=a\0b\n", "null_out": "--out=a\0b\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Name -> path of the files and directories that `BAD` refers to."""
    root = tmp_path_factory.mktemp("paths")
    paths = {name: root / name for name in ("out", "images", "bad_images", "celeba", "file")}
    paths["file"].write_text("")
    paths["directory"] = root / "directory.png"
    paths["directory"].mkdir()
    paths["damaged"] = root / "damaged"
    (paths["damaged"] / "mnist" / "3.0.1").mkdir(parents=True)
    (paths["damaged"] / "mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    paths["run"] = root / "run"
    paths["run"].mkdir()
    (paths["run"] / "config.json").write_text("{}")
    paths["out"].mkdir()
    paths["one_class"] = root / "one_class"
    paths["other_table"] = root / "other_table"
    paths["other_table"].mkdir()
    (paths["other_table"] / "augment_runs.csv").write_text("colour\nred\n")
    for name, labels in (("images", "ab"), ("bad_images", "ab"), ("one_class", "a")):
        for label in labels:
            (paths[name] / label).mkdir(parents=True)
            Image.new("L", (32, 32), 9).save(paths[name] / label / "0.png")
    (paths["bad_images"] / "a" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (paths["celeba"] / "img_align_celeba").mkdir(parents=True)
    Image.new("RGB", (178, 218)).save(paths["celeba"] / "img_align_celeba" / "000001.jpg")
    (paths["celeba"] / "list_attr_celeba.txt").write_text("1\nMale Bald\n000001.jpg 1 -1\n")
    shutil.copytree(paths["celeba"], root / "bad_celeba")
    (root / "bad_celeba" / "list_attr_celeba.txt").write_text("1\nMale Bald\n000001.jpg 1\n")
    (root / "bad_model").mkdir()
    (root / "bad_model" / "saved_model.pb").write_bytes(b"no model")
    (root / "bad_model" / "m.keras").write_bytes(b"PK")
    np.savez(root / "float.npz", images=np.full((3, 28, 28, 1), 1.5))
    for name, text in (("other_metrics", "colour\nred\n"), ("damaged_metrics", DAMAGED)):
        (root / name).mkdir()
        (root / name / "metrics.csv").write_text(text)
    for name in LAST_WRITTEN:
        (root / "a_file_is_a_directory" / name).mkdir(parents=True)
    (root / "taken").mkdir()
    (root / "taken" / "generated").write_text("")
    (root / "flagfiles").mkdir()
    shutil.copy(paths["images"] / "a" / "0.png", root / "flagfiles" / "png.flags")
    for name, text in FLAGFILE_TEXTS.items():
        text = text.format(directory=root / "flagfiles")
        (root / "flagfiles" / name).write_text(text)
    names = ("bad_celeba", "bad_model", "other_metrics", "damaged_metrics",
             "a_file_is_a_directory", "flagfiles", "taken")  # fmt: skip
    return paths | {name: root / name for name in names} | {"float_npz": root / "float.npz"}


@pytest.mark.slow
@pytest.mark.parametrize("flag, line", BAD, ids=[" ".join(b[1])[:120] for b in BAD])
def test_bad_input_is_one_line_naming_the_flag_and_writes_nothing(flag, line, paths, quick_command):
    roots = (paths["file"].parent, quick_command.home)
    before = [sorted(root.rglob("*")) for root in roots]
    done = quick_command(*(word.format(**paths) for word in line))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert flag in done.stderr
    assert [sorted(root.rglob("*")) for root in roots] == before


def test_bad_input_covers_every_command():
    counts = collections.Counter(line[0] for _, line in BAD)
    assert set(counts) == set(COMMANDS) and min(counts.values()) >= 4


@pytest.mark.slow
def test_bad_input_is_one_line_in_a_new_process_too(paths):
    """Where the libraries are imported only then, and may print."""
    done = command(*(word.format(**paths) for word in (*EVALUATE, "--images={images}")))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "dataset" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
def test_help_lists_every_flag_with_its_text(module):
    done = command(module, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[0].endswith(".") and "Usage: python -m" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    if module == "reproduce.train":
        for field in dataclasses.fields(RunConfig):
            shown = any(f"{dashes}{field.name}" in done.stdout for dashes in ("--", "--[no]"))
            assert shown == field.metadata["flag"], field.name


@pytest.mark.slow
def test_a_dry_run_prints_the_resolved_config_and_writes_nothing(tmp_path, quick_command):
    done = quick_command(
        "reproduce.train", "--minority_class=3", "--dry_run", f"--runs_dir={tmp_path / 'runs'}"
    )
    assert done.returncode == 0 and done.stderr == ""
    text, _, rest = done.stdout.partition("\n}\n")
    config = RunConfig.from_json(text + "\n}")
    assert (config.split, config.label_c, config.image_size) == ("unbalanced", 1.5, 28)
    assert "positives: 50 images" in rest and str(directories.run_directory(config)) in rest
    assert os.listdir(tmp_path) == []


FLAGFILES = [
    *sorted((ROOT / "flags").glob("*.flags")),
    *sorted((ROOT / "flags" / "cases").glob("*.flags")),
    *sorted((ROOT / "flags" / "figures").glob("*.flags")),
    *sorted((ROOT / "flags" / "objectives").glob("*.flags")),
]


QUICK = ("demo",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if p.stem in QUICK else pytest.mark.exhaustive) for p in FLAGFILES],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_flagfile_trains_two_iterations_on_digits(path, tmp_path, quick_command):
    """Flagfiles of cases and figures name other data sets; they are only parsed and resolved."""
    if path.parent.name in ("cases", "figures"):
        config = RunConfig.from_json(case_as_json(path))
        least = 10_000 if path.parent.name == "cases" else 1000
        assert resolve.resolve(config).iterations >= least
        return
    done = quick_command(
        "figures.samples" if path.name == "demo.flags" else "reproduce.train",
        *(["--objective=acgan"] if path.name == "uac_authors_code.flags" else []),
        f"--flagfile={path}",
        "--iterations=2", "--width=0.05", "--batch_size=8", "--dataset=digits",
        f"--runs_dir={tmp_path / 'runs'}", *([f"--out={tmp_path}"] if "demo" in path.name else []),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for directory in (tmp_path / "runs").iterdir():
        assert (directory / "saved_model" / "saved_model.pb").is_file()
        assert json.loads((directory / "summary.json").read_text())["iterations"] == 2


def case_as_json(path) -> str:
    values = {}
    for line in path.read_text().splitlines():
        if line.startswith("--"):
            name, _, value = line[2:].partition("=")
            kind = RunConfig.__dataclass_fields__[name].type
            read = int if "int" in str(kind) else float if "float" in str(kind) else str
            values[name] = read(value)
    return json.dumps(values)


@pytest.mark.slow
def test_a_folder_of_images_trains_and_samples(paths, tmp_path, quick_command):
    done = quick_command(
        "reproduce.train", "--dataset=folder", f"--data_dir={paths['images']}",
        "--minority_class=a", "--image_size=32", "--iterations=2", "--width=0.05",
        "--batch_size=4", f"--runs_dir={tmp_path / 'my runs'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = next(x for x in done.stdout.splitlines() if x.startswith("to sample:"))
    words = shlex.split(line.replace("grid.png", str(tmp_path / "grid.png")))
    done = quick_command(*words[words.index("-m") + 1 :])
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "grid.png").size[1] > 100


@pytest.mark.slow
@pytest.mark.exhaustive
def test_lemmas_writes_the_files_that_it_prints(tmp_path):
    done = command(
        "figures.lemmas",
        "--settings=sgan_hole,lsgan_overlap",
        "--iterations=2",
        f"--out={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = ["lemmas.png", "lemmas.pdf", "lemmas.csv", "lemmas_densities.csv"]
    assert lines[2:] == [str(tmp_path / name) for name in names]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    rows = read_csv(tmp_path / "lemmas.csv")
    for line, row in zip(lines, rows, strict=False):
        shown = float(line.split("total variation ")[1].split()[0])
        assert row["setting"] in line
        assert shown == pytest.approx(float(row["tv_learnt_predicted"]), abs=6e-4)
    assert len(read_csv(tmp_path / "lemmas_densities.csv")) == 32 * 32 + 80
