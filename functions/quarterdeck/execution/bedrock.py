"""crewai's Bedrock model, made fit: time limit, base URL, no retries of its own, tokens counted."""

from typing import Any

from boto3.session import Session
from botocore.config import Config
from crewai.llms.providers.bedrock.completion import BedrockCompletion

COUNTS = {"inputTokens": "prompt_tokens", "outputTokens": "completion_tokens"}


class TimedBedrock(BedrockCompletion):
    """crewai fixes Bedrock's time limit to 300 s, and tries three times, below the journal."""

    timeout: float

    def limit_client(self, seconds: float) -> None:
        """A client's time limit is fixed when it is made: another one, if it has to change."""
        if self._get_sync_client().meta.config.read_timeout > seconds:
            self._client = self._make_client(seconds)

    def _build_sync_client(self) -> Any:
        return self._make_client(self.timeout)

    def _make_client(self, timeout: float) -> Any:
        session = Session(
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            region_name=self.region_name,
        )
        config = Config(
            read_timeout=timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
        )
        return session.client("bedrock-runtime", config=config, endpoint_url=self.base_url)

    def _emit_call_completed_event(self, *args: Any, **kwargs: Any) -> None:
        # crewai reports Bedrock's own names of the counts, and reads them nowhere.
        if usage := kwargs.get("usage"):
            counts = {ours: usage.get(theirs, 0) for theirs, ours in COUNTS.items()}
            kwargs["usage"] = {**usage, **counts}
        super()._emit_call_completed_event(*args, **kwargs)
