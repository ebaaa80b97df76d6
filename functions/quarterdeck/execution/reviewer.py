"""A step's review by a person, as crewai asks for it: by way of the run's journal."""

from crewai.agents.parser import AgentFinish
from crewai.core.providers.human_input import (
    AsyncExecutorContext,
    ExecutorContext,
    SyncHumanInputProvider,
)

from quarterdeck.execution.journal import current_journal
from quarterdeck.execution.journal_key import digest
from quarterdeck.tasks.questions import Asked

LONGEST_TASK = 2000
"""Characters of what the step was to do, in the question."""


class Reviewer(SyncHumanInputProvider):
    """Asks for each answer until one is approved. The run ends where nobody has answered yet."""

    def handle_feedback(
        self, formatted_answer: AgentFinish, context: ExecutorContext
    ) -> AgentFinish:
        answer = formatted_answer
        while feedback := ask_for_review(self._get_output_string(answer), context):
            context.messages.append(context._format_feedback_message(feedback))
            answer = context._invoke_loop()
        return answer

    async def handle_feedback_async(
        self, formatted_answer: AgentFinish, context: AsyncExecutorContext
    ) -> AgentFinish:
        answer = formatted_answer
        while feedback := ask_for_review(self._get_output_string(answer), context):
            context.messages.append(context._format_feedback_message(feedback))
            answer = await context._ainvoke_loop()
        return answer


def ask_for_review(answer: str, context: ExecutorContext) -> str | None:
    """A person's feedback; None for an approval."""
    step = (context.task and context.task.name) or ""
    agent = context.agent.role
    journal = current_journal.get()
    with journal.claim(digest(["human", step, agent, answer])) as place:
        said = journal.ask_person(
            Asked(
                kind="review",
                step=step,
                agent=agent,
                text=describe_review(step, context.task.description if context.task else ""),
                answer_so_far=answer,
                place=place,
            )
        )
    feedback: str | None = said.get("feedback")
    return feedback


def describe_review(step: str, task: str) -> str:
    shown = task if len(task) <= LONGEST_TASK else f"{task[:LONGEST_TASK]}…"
    return (
        f"Is the answer of the step '{step}' good, or what is to be changed? It was to do: {shown}"
    )
