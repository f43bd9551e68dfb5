"""Uses SessionService as a service in another language does: gRPC over cleartext HTTP/2, with what protoc makes of the
contracts. Says what it saw as one line of JSON; foreign-client.test.ts judges it.

Usage: client.py GENERATED_FOLDER HOST:PORT, with the key in HIL_API_KEY.
"""

import json
import os
import sys
import threading
import time

import grpc

generated, address = sys.argv[1:3]
sys.path.insert(0, generated)
grpc.__path__.append(os.path.join(generated, "grpc"))  # the health contract's package has the name of the library's

from google.rpc import status_pb2  # noqa: E402
from grpc.health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from hil.errors.v1 import error_reason_pb2  # noqa: E402
from hil.session.v1 import session_pb2, session_service_pb2, session_service_pb2_grpc  # noqa: E402

# Longer than anything here takes on a busy machine, so that a hang is told from a slow answer.
PATIENCE_S = 60
key = [("authorization", "Bearer " + os.environ["HIL_API_KEY"])]
channel = grpc.insecure_channel(address)
sessions = session_service_pb2_grpc.SessionServiceStub(channel)
saw = {}


def error_of(call, request, **options):
    """How a call fails: its code, its sentence, and the detail that HIL sends with every error."""
    try:
        call(request, **{"metadata": key, "timeout": PATIENCE_S, **options})
    except grpc.RpcError as error:
        seen = {"code": error.code().name, "message": error.details()}
        for name, value in error.trailing_metadata():
            if name != "grpc-status-details-bin":
                continue
            for detail in status_pb2.Status.FromString(value).details:
                info = error_reason_pb2.ErrorInfo()
                if detail.Unpack(info):
                    seen["reason"] = error_reason_pb2.ErrorReason.Name(info.reason)
                    seen["domain"] = info.domain
                    seen["metadata"] = dict(info.metadata)
        return seen
    return {"code": "OK"}


def ask(body, **fields):
    request = session_service_pb2.CreateSessionRequest(body=body, **fields)
    request.interaction.confirmation.SetInParent()
    return sessions.CreateSession(request, metadata=key, timeout=PATIENCE_S).session


def answer(session, value, request_id="a click"):
    request = session_service_pb2.AnswerSessionRequest(session_id=session.id, request_id=request_id)
    request.value.confirmation.value = value
    return request


# Health, as balancers ask it.
health = health_pb2_grpc.HealthStub(channel).Check(
    health_pb2.HealthCheckRequest(service="hil.session.v1.SessionService"), timeout=PATIENCE_S
)
saw["health"] = health_pb2.HealthCheckResponse.ServingStatus.Name(health.status)

# Asking, and asking again by the same id.
first = ask("要上线吗？ Deploy?", request_id="deploy-214", project_name="shop")
again = ask("要上线吗？ Deploy?", request_id="deploy-214", project_name="shop")
saw["asked"] = {
    "state": session_pb2.Session.State.Name(first.state),
    "body": first.body,
    "same": first.id == again.id,
    "options": [option.value for option in first.interaction.confirmation.options],
}
saw["conflict"] = error_of(
    lambda body, **options: sessions.CreateSession(
        session_service_pb2.CreateSessionRequest(
            body=body,
            request_id="deploy-214",
            interaction=session_pb2.Interaction(text=session_pb2.TextInteraction()),
        ),
        **options,
    ),
    "something else",
)

# A stream of what changes, read by a thread.
changes = []
watching = threading.Event()
ended = threading.Event()
stream = sessions.WatchSessions(session_service_pb2.WatchSessionsRequest(), metadata=key, timeout=PATIENCE_S)


def watch():
    try:
        for message in stream:
            watching.set()
            if message.WhichOneof("message") == "session" and message.session.id == first.id:
                changes.append(session_pb2.Session.State.Name(message.session.state))
                if message.session.state != session_pb2.Session.STATE_OPEN:
                    ended.set()
    except grpc.RpcError as error:
        saw["stream_ended"] = error.code().name


watcher = threading.Thread(target=watch)
watcher.start()
watching.wait(PATIENCE_S)

# Waiting in a thread, and answering meanwhile.
waited = []


def wait():
    request = session_service_pb2.WaitSessionRequest(session_id=first.id, until_ended=True)
    request.wait.seconds = PATIENCE_S
    waited.append(sessions.WaitSession(request, metadata=key, timeout=PATIENCE_S).session)


waiter = threading.Thread(target=wait)
waiter.start()
time.sleep(0.2)  # so that it waits, as a rule; it gets the same where it does not yet
sessions.AnswerSession(answer(first, "yes"), metadata=key, timeout=PATIENCE_S)
waiter.join(PATIENCE_S)
saw["answer"] = {
    "state": session_pb2.Session.State.Name(waited[0].state),
    "value": waited[0].answer.value.confirmation.value,
}
ended.wait(PATIENCE_S)
stream.cancel()
watcher.join(PATIENCE_S)
saw["changes"] = changes

# Errors, with what they say beside.
saw["late"] = error_of(sessions.AnswerSession, answer(first, "no", "another click"))
saw["unknown"] = error_of(
    sessions.GetSession, session_service_pb2.GetSessionRequest(session_id="01930000-0000-7000-8000-000000000001")
)
saw["malformed"] = error_of(sessions.GetSession, session_service_pb2.GetSessionRequest(session_id="not a UUID"))
saw["no_key"] = error_of(sessions.GetSession, session_service_pb2.GetSessionRequest(session_id=first.id), metadata=[])

# A deadline of the call, while the question stays open.
second = ask("And this?")
slow = session_service_pb2.WaitSessionRequest(session_id=second.id, until_ended=True)
slow.wait.seconds = PATIENCE_S
saw["deadline"] = error_of(sessions.WaitSession, slow, timeout=0.5)
still = sessions.GetSession(
    session_service_pb2.GetSessionRequest(session_id=second.id), metadata=key, timeout=PATIENCE_S
).session
saw["after_deadline"] = session_pb2.Session.State.Name(still.state)

channel.close()
print(json.dumps(saw))
