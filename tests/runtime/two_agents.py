"""A crew of two agents and a tool, run in the sandbox: prints what came of it as JSON.

python -m two_agents sequential|hierarchical URL, where URL is an OpenAI-compatible server.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.process import prepare_process

if TYPE_CHECKING:
    from crewai import Crew


def build_crew(process: str, url: str) -> "Crew":
    """A researcher with a tool, and a writer who continues its work."""
    from crewai import LLM, Agent, Crew, Process, Task
    from crewai.tools import tool

    @tool("count_words")
    def count_words(text: str) -> str:
        """Counts the words of a text."""
        return f"{len(text.split())} words"

    def make_llm() -> LLM:
        return LLM(model="openai/gpt-4o-mini", base_url=url, api_key="none")

    researcher = Agent(
        role="Researcher",
        goal="Find facts",
        backstory="Reads.",
        llm=make_llm(),
        tools=[count_words],
    )
    writer = Agent(role="Writer", goal="Report facts", backstory="Writes.", llm=make_llm())
    gather = Task(description="Count words", expected_output="A number", agent=researcher)
    write = Task(description="Write", expected_output="A line", agent=writer, context=[gather])
    return Crew(
        agents=[researcher, writer],
        tasks=[gather, write],
        process=Process(process),
        manager_llm=make_llm() if process == "hierarchical" else None,
    )


def import_providers() -> list[str]:
    """The files that the providers' code and its client libraries are loaded from."""
    import anthropic
    import boto3
    import openai
    from crewai.llms.providers.anthropic import completion as anthropic_provider
    from crewai.llms.providers.bedrock import completion as bedrock_provider
    from crewai.llms.providers.openai import completion as openai_provider

    providers = (anthropic_provider, bedrock_provider, openai_provider)
    return [str(module.__file__) for module in (anthropic, boto3, openai, *providers)]


def main(process: str, url: str) -> None:
    prepare_process()
    crew = build_crew(process, url)
    crew.kickoff()
    steps = [task.output.raw for task in crew.tasks if task.output]
    imported = [str(Path(file).resolve()) for file in import_providers()]
    print(json.dumps({"steps": steps, "imported": imported, "path": sys.path}))


if __name__ == "__main__":
    main(*sys.argv[1:])
