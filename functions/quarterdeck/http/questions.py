"""The route by which people answer what a task asks."""

from http import HTTPStatus
from operator import itemgetter

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.idempotency import Once
from quarterdeck.names import read_clock
from quarterdeck.tasks.answers import Answer, answer_question
from quarterdeck.tasks.attempt import admit_for
from quarterdeck.tasks.store import TaskView

router = APIGatewayHttpRouter()


@router.post(
    "/crews/<system_id>/tasks/<task_id>/resume",
    summary="Answer what a waiting task asks",
    description="`approve: true`, or `feedback`. 202 when the task goes on; 200 when its last "
    "question, or the one that is named, was answered the same before. 409 when it was answered "
    "otherwise, or is not open: the detail says what the task is.",
    tags=["tasks"],
    security=needs("run"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(TaskView, 404, 409, work=True),
)
def resume_task(
    system_id: str, task_id: str, answer: Answer, idempotency_key: IdempotencyKey = None
) -> Response[TaskView]:
    system = open_system(router, system_id)
    services, who = services_of(router), principal_of(router).mark

    def give(once: Once | None) -> bool:
        return answer_question(
            services.table, services.blobs, system, task_id, answer, who, read_clock, once
        )

    resumed, headers = do_once(router, idempotency_key, give, itemgetter("resumed"))
    view = services.tasks.get_view(system.scope, task_id)
    if view.status == "queued":
        admit_for(services.table, services.task_queue, system.scope, view.crew_name, read_clock)
    place = {"Location": f"/crews/{system_id}/tasks/{task_id}"}
    return Response(
        status_code=HTTPStatus.ACCEPTED if resumed else HTTPStatus.OK,
        content_type=APPLICATION_JSON,
        headers=headers | (place | {"Retry-After": "1"} if resumed else {}),
        body=view,
    )
