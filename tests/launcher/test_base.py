"""Which jobs are tried again."""

from stackcli.launcher.base import Attempts, read_step


def test_a_lost_job_is_tried_once_more() -> None:
    attempts = Attempts()
    assert [attempts.judge(0, "lost", "died").state for _ in range(3)] == ["retried", "lost", "lost"]
    assert attempts.judge(1, "lost", "died").state == "retried"


def test_a_preempted_job_is_tried_again_as_long_as_it_gets_further_than_ever() -> None:
    attempts = Attempts()
    steps = [(), (5, 20), (9, 20), (9, 20)]
    assert [attempts.judge(0, "preempted", "", told).state for told in steps] == [*["retried"] * 3, "preempted"]
    assert attempts.judge(0, "lost", "").state == "retried"  # counted apart


def test_the_step_is_the_first_number_that_a_job_reports() -> None:
    assert [read_step(told) for told in ((7, 20), [3], (), None, "9", ("a",))] == [7, 3, 0, 0, 0, 0]
    assert [read_step(told) for told in ({"stage": "saved", "step": 4}, {"stage": "loading"})] == [4, 0]
