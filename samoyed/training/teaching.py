"""Distillation: a network learns from the answers of another one besides the labels (Hinton, Vinyals & Dean 2015).

With logits v of the teacher and z of the student, p = softmax(v / T) and q = softmax(z / T), the objective of an example is

    (1 - s) L(z, label) + s T^2 sum_k p_k (log p_k - log q_k)

L being the task's own. T^2 keeps the soft part's gradient where it is whatever T. Departure: the paper takes the cross-entropy of p
and q, whose gradient is the same; the divergence is 0 where the student answers as the teacher does.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.objectives import Mean, full
from samoyed.plan import Plan
from samoyed.run import Run
from samoyed.tasks import Task


class Teacher:
    """What a student learns from: called as a task's objective is, it gives the objective above."""

    def __init__(self, model: nn.Module, temperature: float, share: float) -> None:
        self.model, self.temperature, self.share = model.eval(), temperature, share

    def __call__(self, task: Task[Any, Any], student: nn.Module, batch: Any) -> Mean:
        """The task's own objective of the batch and the divergence from the teacher, in one sum.

        The teacher is given what the student is given, whatever was done to it. Raises UsageError where the student does not
        learn through logits.
        """
        asked: list[tuple[Any, Any, Any]] = []
        hook = student.register_forward_hook(
            lambda module, args, kwargs, logits: asked.append((args, kwargs, logits)), with_kwargs=True
        )
        try:
            hard = task.objective(student, batch)
        finally:
            hook.remove()
        if not asked or not isinstance(asked[0][2], Tensor):
            raise UsageError(
                f"{type(student).__name__} learns by a loss of its own, not through the probabilities of classes",
                remedy="choose another model for the student",
            )
        args, kwargs, logits = asked[0]
        with torch.no_grad():
            theirs = full(self.model(*args, **kwargs))
        mine = full(logits)
        lengths = getattr(batch, "lengths", None)
        if mine.dim() == 3 and lengths is not None:  # steps beyond a sequence's end teach nothing
            there = torch.arange(mine.shape[1], device=mine.device) < lengths[:, None]
            mine, theirs = mine[there], theirs[there]
        soft = divergence(mine, theirs, self.temperature)
        rows = mine.numel() // mine.shape[-1]
        total = (1 - self.share) * hard.total + self.share * soft * (hard.count / rows)
        return Mean(total, hard.count)

    def suits(self, task: Task[Any, Any], student: nn.Module, batch: Any) -> bool:
        """Whether the student learns through logits, seen from one batch."""
        try:
            self(task, student, batch)
        except UsageError:
            return False
        return True


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 sum_k p_k (log p_k - log q_k) in nats, summed over all rows; logits [..., V] of both."""
    p, q = (logits / temperature for logits in (teacher, student))
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    return temperature**2 * nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)


def opened(plan: Plan) -> Run | None:
    """The run that a plan has for a teacher, if it names one.

    Raises RunError where it cannot be opened, UsageError for a run of another task, and for tasks without classes.
    """
    path = plan.settled["training"]["teacher"]
    if path is None:
        return None
    if not plan.task_form.attributes.get("taught", False):
        raise UsageError(
            f"{plan.task} has no probabilities of classes that a student could learn from",
            remedy="distil a run of a task that has, such as image-classification or text-classification",
        )
    run = Run.load(Path(path))
    if run.config["task"] != plan.task:
        raise UsageError(f"{path} is a run of {run.config['task']}, and this is one of {plan.task}")
    if hasattr(plan.model_form.load(), "fit"):
        raise UsageError(f"{plan.model} is fitted at once and cannot be taught", remedy="choose a network")
    return run


def begin(plan: Plan, task: Task[Any, Any], teacher: Run) -> str:
    """Gives the task the teacher's words, classes and scale, and the teacher itself; what was done, in words.

    Raises UsageError where the data have other classes than the teacher knows.
    """
    own = {name: task.sizes()[name] for name in task.outputs}
    state = task.state()
    task.restore(teacher.task.state())
    theirs = {name: task.sizes()[name] for name in task.outputs}
    if (
        own != theirs
        or state.get("classes") != task.state().get("classes")
        or state.get("tags") != task.state().get("tags")
    ):
        raise UsageError(
            f"the data have other classes than {teacher.path} has learned", remedy="distil on data of the same kind"
        )
    values = plan.settled["training"]
    task.teacher = Teacher(teacher.model.to(task.device), values["teacher_temperature"], values["teacher_share"])
    name, first = next(iter(teacher.metrics["test"].items()))
    seed = teacher.config["settings"]["training"]["seed"]
    drawn = "" if seed == values["seed"] else f"; where splits are drawn, the teacher's seed {seed} drew others"
    return (
        f"by {teacher.path}, {teacher.config['model']} with {teacher.parameters:,} parameters, test {name} {first['value']:.4g} "
        f"{first['unit']}; temperature {values['teacher_temperature']:g}, {values['teacher_share']:.0%} of the objective{drawn}"
    )
