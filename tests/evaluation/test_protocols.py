import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.data.splits import make_split
from rumi_tf.evaluation import protocols
from rumi_tf.runs.resolve import resolve

LABELS = np.repeat(np.arange(10), 500)
NAMES = tuple("0123456789")


def split(**values):
    return make_split(RunConfig(dataset="mnist", **values), LABELS, NAMES)


def test_reference_of_an_unbalanced_run_includes_held_out_images():
    parts = split(split="unbalanced", minority_class="3", minority_size=20)
    chosen = protocols.rumi_unbalanced().reference_indices(LABELS, parts)
    assert len(chosen) == 500 and set(LABELS[chosen]) == {3}
    assert set(parts.indices["positive"]) < set(chosen)


def test_reference_of_a_subset_run_is_the_positive_classes():
    chosen = protocols.rumi_subset().reference_indices(LABELS, split(split="overlap"))
    assert set(LABELS[chosen]) == {1, 2, 4, 5, 7, 9} and len(chosen) == 3000


def test_sample_counts_of_the_papers():
    assert protocols.rumi_unbalanced().num_generated == 10_000
    assert protocols.rumi_unbalanced(dataset="celeba").num_reference == 10_000
    assert protocols.uac_images().num_generated == 10_240
    assert protocols.uac_images().embedding == "inception_299"
    assert protocols.uac_mixture().num_generated == 10_000


def test_a_limited_reference_is_a_reproducible_random_sample_without_repeats():
    protocol = protocols.Protocol("p", "classifier", 10, 100, reference="all")
    other_seed = protocols.Protocol("p", "classifier", 10, 100, reference="all", seed=1)
    parts = split(split="even")
    chosen = protocol.reference_indices(LABELS, parts)
    assert len(set(chosen)) == 100 and set(LABELS[chosen]) == set(range(10))
    np.testing.assert_array_equal(chosen, protocol.reference_indices(LABELS, parts))
    assert set(chosen) != set(other_seed.reference_indices(LABELS, parts))


def protocol_of(**values):
    return protocols.protocol_for(resolve(RunConfig(**values)))


def test_auto_protocol_follows_the_split_and_needs_no_download():
    unbalanced = protocol_of(minority_class="3")
    assert (unbalanced.name, unbalanced.embedding) == ("rumi_unbalanced", "classifier")
    subset = protocol_of(split="even", embedding="inception", eval_samples=500)
    assert (subset.name, subset.embedding) == ("rumi_subset", "inception")
    assert subset.num_generated == 500


def test_embedding_of_a_named_protocol_can_be_overridden():
    default = protocol_of(split="even", protocol="uac_images")
    assert (default.embedding, default.num_generated) == ("inception_299", 10_240)
    assert protocol_of(split="even", protocol="rumi_subset").embedding == "inception"
    overridden = protocol_of(split="even", protocol="uac_images", embedding="classifier")
    assert overridden.embedding == "classifier"
