"""Hyperparameters, as TensorBoard's own HParams page reads them."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.util.tensor_util import make_ndarray

import jkeras as keras
from tests.callbacks.models import Values, X, Y, linear

HParams = keras.callbacks.HParams


def rows(folder):
    """Returns the rows of the page: a dict of hyperparameters, and the sessions, for each."""
    runs = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(runs, "")))
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=statuses, include_metrics=True
    )
    found = list_session_groups.Handler(RequestContext(), context, "", request).run()
    values = {"bool_value", "number_value", "string_value"}
    return [
        (
            {n: getattr(v, v.WhichOneof("kind")) for n, v in group.hparams.items()},
            list(group.sessions),
        )
        for group in found.session_groups
        if all(v.WhichOneof("kind") in values for v in group.hparams.values())
    ]


def metrics(session):
    return {(m.name.group, m.name.tag): m.value for m in session.metric_values}


def fit(folder, hparams, more=(), trial_id=None, **compile_arguments):
    given = [*more, HParams(folder, hparams, trial_id)]
    model = linear(metrics=["mae"], **compile_arguments)
    arguments = {"epochs": 3, "verbose": 0, "validation_data": (X, Y)}
    return model.fit(X, Y, **arguments, callbacks=given).history


def test_the_page_shows_settings_and_the_last_epoch(tmp_path):
    history = fit(tmp_path / "a", {"rate": 0.1, "units": 4, "name": "sgd", "norm": False})
    ((hparams, (session,)),) = rows(tmp_path)
    assert hparams == {"rate": 0.1, "units": 4.0, "name": "sgd", "norm": False}
    assert session.status == api_pb2.STATUS_SUCCESS
    assert session.start_time_secs <= session.end_time_secs
    last = {("", name): values[-1] for name, values in history.items()}
    assert metrics(session) == pytest.approx(last, rel=1e-6)


def test_beside_tensorboard_in_one_folder(tmp_path):
    fit(tmp_path / "a", {"rate": 0.1}, [keras.callbacks.TensorBoard(tmp_path / "a")])
    ((_, (session,)),) = rows(tmp_path)
    assert {("train", "epoch_loss"), ("validation", "epoch_loss"), ("", "loss")} <= set(
        metrics(session)
    )


def test_equal_settings_are_a_group(tmp_path):
    for name, rate in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        fit(tmp_path / "groups" / name, {"rate": rate})
        fit(tmp_path / "named" / name, {"rate": rate}, trial_id=name)
    assert sorted(len(sessions) for _, sessions in rows(tmp_path / "groups")) == [1, 2]
    assert sorted(len(sessions) for _, sessions in rows(tmp_path / "named")) == [1, 1, 1]


def test_other_values_are_texts(tmp_path):
    given = {"sizes": (3, 4), "rate": np.float32(0.5), "on": np.True_, "n": np.int64(3), "no": None}
    fit(tmp_path, given)
    ((hparams, _),) = rows(tmp_path)
    assert hparams == {"sizes": "(3, 4)", "rate": 0.5, "on": True, "n": 3.0, "no": "None"}


def test_a_loss_that_is_not_finite_has_failed(tmp_path):
    fit(tmp_path, {"rate": 1.0}, [Values("loss", [1.0, 2.0, float("nan")])])
    ((_, (session,)),) = rows(tmp_path)
    assert session.status == api_pb2.STATUS_FAILURE


def test_a_training_that_ends_by_an_error_is_not_called_ended(tmp_path):
    def fail(epoch, logs):
        raise OSError("power cut")

    with pytest.raises(OSError, match="power cut"):
        fit(tmp_path, {"rate": 1.0}, [keras.callbacks.LambdaCallback(on_epoch_begin=fail)])
    ((hparams, (session,)),) = rows(tmp_path)
    assert hparams == {"rate": 1.0}
    assert session.status == api_pb2.STATUS_UNKNOWN


def test_the_records_are_tensors_as_tensorflow_writes_them(tmp_path):
    fit(tmp_path, {"rate": 1.0})
    runs = EventMultiplexer().AddRun(str(tmp_path)).Reload()
    events = runs.GetAccumulator(runs.Runs().popitem()[0])
    tags = ["_hparams_/session_start_info", "_hparams_/session_end_info"]
    assert set(tags) <= set(events.Tags()["tensors"])
    assert [make_ndarray(events.Tensors(tag)[0].tensor_proto).size for tag in tags] == [0, 0]


def test_no_hyperparameters():
    with pytest.raises(ValueError, match="at least one hyperparameter"):
        HParams("logs", {})
