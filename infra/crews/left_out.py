"""Fields of crewai's classes that a configuration has not, each with the reason."""

CODE = "names code, which a configuration cannot"
STATE = "crewai's own state, or an identity that it gives"
DEPRECATED = "deprecated by crewai"
FILES = "reads or writes files of the machine that it runs on: a function has none that last"
CACHE = "answers of tools are kept by the journal, for each call apart"
SCORING = "how memories are scored, as crewai does: by likeness 0.5, being new 0.3, importance 0.2"
KNOWLEDGE = "knowledge is the crew's, for all its agents: `knowledge` of the crew"
CLOUD = "a service of CrewAI's, beside AWS"
ENVIRONMENT = "set by the environment, for all crews alike"
CHECKPOINT = "crewai's checkpoints: the journal takes a task up again"
TOOLS_FAIL = "a tool that fails raises, and its agent is told"
CONNECTION = "how the provider is reached is the service's own matter"
REPLAY = "keeps what a provider said in memory, which a restarted worker does not have"
PLANNING = "not built: give the crew a step that plans, which is then seen as any other"
STREAM = "an answer is recorded as a whole before it is used"

LEFT_OUT: dict[str, dict[str, str]] = {
    "Agent": {
        **dict.fromkeys(
            ("agent_executor", "callbacks", "executor_class", "step_callback"), CODE
        ),
        **dict.fromkeys(
            (
                "adapted_agent", "agent_knowledge_context", "crew", "crew_knowledge_context",
                "entity_type", "execution_context", "id", "knowledge_search_query", "tools_handler",
                "tools_results",
            ),
            STATE,
        ),
        **dict.fromkeys(
            (
                "allow_code_execution", "code_execution_mode", "function_calling_llm", "i18n",
                "max_reasoning_attempts", "multimodal", "reasoning",
            ),
            DEPRECATED,
        ),
        **dict.fromkeys(
            ("embedder", "knowledge", "knowledge_config", "knowledge_sources", "knowledge_storage"),
            KNOWLEDGE,
        ),
        **dict.fromkeys(("cache", "cache_handler"), CACHE),
        **dict.fromkeys(("checkpoint", "checkpoint_kickoff_event_id"), CHECKPOINT),
        **dict.fromkeys(("planning", "planning_config"), PLANNING),
        **dict.fromkeys(("apps", "from_repository"), CLOUD),
        **dict.fromkeys(
            ("guardrail", "guardrail_max_retries"),
            "for agents without a crew; a step has a guardrail",
        ),
        "a2a": "agents elsewhere are not called; a tool can",
        "config": "a second way to give the same fields",
        "max_tokens": "crewai does not read it; `llm.max_tokens` bounds an answer",
        "mcps": "servers of tools are not called by the worker; a team's tools run apart",
        "security_config": "a fingerprint that nothing here reads",
        "skills": FILES,
        "tool_failure_policy": TOOLS_FAIL,
        "use_better_compaction": "crewai's default; it decides when a tool's answer is shortened",
        "verbose": ENVIRONMENT,
    },
    "Task": {
        **dict.fromkeys(("callback", "converter_cls"), CODE),
        **dict.fromkeys(
            (
                "delegations", "end_time", "id", "output", "processed_by_agents", "prompt_context",
                "retry_count", "start_time", "tools_errors", "used_tools",
            ),
            STATE,
        ),
        **dict.fromkeys(
            ("checkpoint_original_description", "checkpoint_original_expected_output"), CHECKPOINT
        ),
        **dict.fromkeys(("output_json", "response_model"), "the same as `output_schema`"),
        **dict.fromkeys(("create_directory", "output_file"), "a result is read over the API"),
        "allow_crewai_trigger_context": "what a task brings are its inputs",
        "config": "a second way to give the same fields",
        "guardrails": "one `guardrail` can say several things",
        "input_files": FILES,
        "max_retries": DEPRECATED,
        "security_config": "a fingerprint that nothing here reads",
        "tool_failure_policy": TOOLS_FAIL,
        "tools": "a step has the tools of its agent",
    },
    "Crew": {
        **dict.fromkeys(
            ("after_kickoff_callbacks", "before_kickoff_callbacks", "step_callback",
             "task_callback"),
            CODE,
        ),
        **dict.fromkeys(
            ("entity_type", "execution_context", "execution_logs", "id", "token_usage",
             "usage_metrics"),
            STATE,
        ),
        **dict.fromkeys(
            ("checkpoint", "checkpoint_inputs", "checkpoint_kickoff_event_id", "checkpoint_train"),
            CHECKPOINT,
        ),
        "knowledge_sources": "`knowledge` has the texts themselves",
        **dict.fromkeys(("planning", "planning_llm"), PLANNING),
        **dict.fromkeys(("share_crew", "tracing"), CLOUD),
        **dict.fromkeys(
            ("output_log_file", "prompt_file", "skills", "task_execution_output_json_files",
             "trained_agents_file"),
            FILES,
        ),
        "cache": CACHE,
        "chat_llm": "crewai's chat in a terminal",
        "config": "a second way to give the same fields",
        "embedder": "is in `memory`",
        "function_calling_llm": DEPRECATED,
        "security_config": "a fingerprint that nothing here reads",
        "stream": STREAM,
        "tool_failure_policy": TOOLS_FAIL,
        "verbose": ENVIRONMENT,
    },
    "Memory": {
        **dict.fromkeys(
            ("default_importance", "importance_weight", "recency_weight", "semantic_weight"),
            SCORING,
        ),
        **dict.fromkeys(
            ("complex_query_threshold", "confidence_threshold_high", "confidence_threshold_low",
             "exploration_budget", "query_analysis_threshold"),
            "crewai's own, of a `deep` recall",
        ),
        **dict.fromkeys(("consolidation_limit", "consolidation_threshold"),
                        "crewai's own; `consolidation` says whether"),
        **dict.fromkeys(("memory_kind", "root_scope"), STATE),
        "storage": "the system's table",
    },
    "LLM": {
        **dict.fromkeys(("callbacks", "interceptor"), CODE),
        **dict.fromkeys(
            (
                "completion_cost", "custom_openai", "is_anthropic", "is_claude_3",
                "is_claude_model", "is_gpt4_model", "is_litellm", "is_o1_model", "llm_type",
                "model_id", "supports_streaming", "supports_tools",
            ),
            STATE,
        ),
        **dict.fromkeys(
            ("api_base", "api_version", "client_params", "default_headers", "default_query",
             "organization", "project", "region_name"),
            CONNECTION,
        ),
        **dict.fromkeys(
            ("api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
            "a secret: `secret` names it",
        ),
        **dict.fromkeys(
            ("auto_chain", "auto_chain_reasoning", "previous_response_id", "thinking"), REPLAY
        ),
        **dict.fromkeys(
            ("api", "include", "instructions", "parse_tool_outputs", "store"),
            "of OpenAI's Responses API: models are asked by chat completions alone",
        ),
        **dict.fromkeys(("builtin_tools", "tool_search"), "tools are the team's own"),
        **dict.fromkeys(
            ("additional_model_request_fields", "additional_model_response_field_paths",
             "additional_params", "guardrail_config"),
            "whatever a provider takes, unchecked",
        ),
        **dict.fromkeys(("logit_bias", "logprobs", "n", "top_logprobs"),
                        "for other uses than an agent's: one answer, as text"),
        "context_window_size": "known by the model's name",
        "max_retries": "faults that pass are retried by the journal, which knows time and cancel",
        "prefer_upload": FILES,
        "provider": "part of `model`",
        "response_format": "a step says it, by `output_schema`",
        "stream": STREAM,
        "top_k": "crewai passes it to Bedrock alone; `top_p` is for all",
    },
}  # fmt: skip

RENAMED: dict[str, dict[str, str]] = {
    "Agent": {"max_execution_time": "timeout", "memory": "memory_enabled"},
    "Task": {"output_pydantic": "output_schema"},
    "Crew": {},
    "Memory": {},
    "LLM": {},
}
"""crewai's name of a field, and ours."""
