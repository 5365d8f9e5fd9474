"""Initial values: Keras's own, or zeros where a checkpoint is about to replace them."""

import keras
import numpy as np
import pytest

from tftransfer.backbones.initializers import TruncatedNormal, zeros_instead


def test_it_is_the_initializer_of_keras() -> None:
    ours, theirs = (kind(stddev=0.02, seed=3) for kind in (TruncatedNormal, keras.initializers.TruncatedNormal))
    np.testing.assert_array_equal(ours((40, 30)), theirs((40, 30)))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    np.testing.assert_array_equal(again((40, 30)), theirs((40, 30)))


def test_zeros_only_inside() -> None:
    with pytest.raises(KeyError), zeros_instead():
        inside = keras.Variable(TruncatedNormal(), (4, 3))
        raise KeyError
    assert not np.asarray(inside).any()
    assert np.asarray(keras.Variable(TruncatedNormal(), (4, 3))).all()
