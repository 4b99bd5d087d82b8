"""No distillation: no teacher, and logits as they are."""

from stackcli.distill.none import NoTeacher
from stackcli.training.run_result import weights_hash
from tests.factory import part
from tests.training.examples import finish, training


def test_there_is_no_teacher_and_no_temperature() -> None:
    one = NoTeacher()
    assert (one.teachers, one.temperature) == (0, 1.0)
    run, same = training(epochs=1), training(epochs=1, distill=part("none"))
    assert run.teacher is None and finish(run) == finish(same) and weights_hash(run.model) == weights_hash(same.model)
    assert run.progress == (run.step, run.steps)
