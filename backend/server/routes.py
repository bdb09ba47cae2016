"""The routes. Ids are opaque, files are asked for by frame number: no path comes from a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ..formats import PNG8, check_written
from ..job_row import Job
from ..jobs import JobStore
from ..marks import software
from ..models import cards, find_card
from ..models.memory import check_memory
from ..models.preflight import preflight_here
from ..models.weights import needed, weights_folder
from ..paths import default_data_dir
from ..take import DEPTHS, FRAMES, MASKS, PREVIEW_FILE, SHOWN, SHOWN_MASKS, TAKE_FILE, frame_name
from ..wire import GIVEN_ID, MAX_FRAME_NUMBER, MAX_FRAMES, MAX_SIDE, PROTOCOL
from .feed import Feed
from .guard import JSON_TYPE, ZIP_TYPE
from .lanes import Lanes
from .leases import Leases
from .schema import Health, Hello, JobList, Lease, ModelList, PreflightAnswer, Refusal
from .upload import Asked, take_in

_KEEPALIVE_SECONDS = 2.0
_LONGEST_SETTINGS = 20_000
_LAST_NUMBER = 2**63 - 1  # the largest that the table of events can hold
_ARRIVING = "The shot of this job is still being sent; try again in a moment."


@dataclass(slots=True)
class Service:
    """What the routes work on; one a server."""

    store: JobStore
    lanes: Lanes
    feed: Feed
    leases: Leases
    store_id: str = ""
    draining: bool = False
    arriving: set[str] = field(default_factory=set)
    """Ids that senders have given shots which are not here in full."""


def the_service(request: Request) -> Service:
    """Return the service of the app that a request came to."""
    return request.app.state.service


Serving = Annotated[Service, Depends(the_service)]


def the_job(job_id: str, service: Serving) -> Job:
    """Return the job that the path names."""
    job = service.store.job(job_id)
    if job is None:
        if job_id in service.arriving:
            raise HTTPException(409, _ARRIVING)
        raise HTTPException(404, "There is no such job; it may have been deleted.")
    return job


TheJob = Annotated[Job, Depends(the_job)]
Frame = Annotated[int, PathParameter(ge=-MAX_FRAME_NUMBER, le=MAX_FRAME_NUMBER)]
ClientId = Annotated[str, PathParameter(max_length=64, pattern=r"^[\w-]+$")]
router = APIRouter(prefix="/v1", responses={"4XX": {"model": Refusal}})


@router.get("/hello")
def hello(service: Serving) -> Hello:
    """Say which protocol is spoken here."""
    return Hello(
        protocol=PROTOCOL,
        software=software(),
        pid=os.getpid(),
        draining=service.draining,
        lease_seconds=service.leases.seconds,
        machine=platform.node(),
        store=service.store_id,
        python=sys.executable,
    )


@router.post("/drain")
def drain(service: Serving) -> dict[str, bool]:
    """Take no more shots and end when the jobs are done, whoever is still attached."""
    service.draining = True
    return {"draining": True}


@router.get("/health")
def health(service: Serving) -> Health:
    """Say whether work can be done, and if not, why."""
    devices = service.lanes.status()
    states = {lane.state for lane in devices}
    state = next((state for state in ("ready", "busy", "starting") if state in states), "failed")
    return Health(
        state=state,
        why="; ".join(lane.why for lane in devices if lane.why) if state == "failed" else "",
        queued=sum(job.state == "queued" for job in service.store.jobs()),
        clients=service.leases.clients(),
        devices=devices,
    )


@router.put("/clients/{client_id}")
def renew(client_id: ClientId, service: Serving) -> Lease:
    """Attach a client, or renew its lease."""
    if service.draining and service.store.open_jobs() == 0:
        raise HTTPException(503, "This backend is ending; try again in a moment.")
    service.leases.renew(client_id)
    return Lease(service.leases.seconds)


@router.delete("/clients/{client_id}", status_code=204)
def release(client_id: ClientId, service: Serving) -> None:
    """Detach a client."""
    service.leases.release(client_id)


@router.get("/models")
def models() -> ModelList:
    """Return the card of every model."""
    return ModelList([card.to_json() for card in cards()])


@router.get("/preflight")
def preflight_model(
    service: Serving,
    model: str,
    width: Annotated[int | None, Query(ge=1, le=MAX_SIDE)] = None,
    height: Annotated[int | None, Query(ge=1, le=MAX_SIDE)] = None,
    frames: Annotated[int | None, Query(ge=1, le=MAX_FRAMES)] = None,
    settings: Annotated[str, Query(max_length=_LONGEST_SETTINGS)] = "{}",
) -> PreflightAnswer:
    """Say what a model would cost here; without size and frames, at those it was made for."""
    card = find_card(model)
    machine = service.lanes.machine()
    if machine is None:
        raise HTTPException(503, "This backend does not know its devices yet; try again soon.")
    found = preflight_here(
        card,
        machine,
        default_data_dir(),
        size=None if width is None or height is None else (width, height),
        frames=frames,
        settings=_settings(settings),
    )
    return PreflightAnswer(**found.to_json(), machine=machine.to_json())


@router.post(
    "/shots",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {ZIP_TYPE: {}}}},
)
async def submit(
    request: Request,
    service: Serving,
    model: str,
    settings: Annotated[str, Query(max_length=_LONGEST_SETTINGS)] = "{}",
    seed: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    format: Annotated[str, Query(max_length=20)] = PNG8,
    job: Annotated[str, Query(pattern=f"^({GIVEN_ID})?$")] = "",
) -> Job:
    """Queue a job for the zipped shot in the body; `settings` is a JSON object.

    Without `seed` the shot's own is taken; `format` is png8 or png16. `job` is the id of the job,
    chosen by the sender; the same request with the same id is one job however often it comes.
    """
    if service.draining:
        raise HTTPException(503, "This backend is ending; try again in a moment.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != ZIP_TYPE:
        raise HTTPException(415, f"A shot is sent as {ZIP_TYPE}.")
    card = find_card(model)
    checked = card.check_settings(_settings(settings))
    check_written(format)
    if (machine := service.lanes.machine()) is not None:
        check_memory(card, checked, machine.device)
    for each in needed(card, checked):
        await run_in_threadpool(weights_folder, each)
    asked = Asked(job, model, checked, seed, format)
    if job in service.arriving:
        raise HTTPException(409, _ARRIVING)
    with contextlib.ExitStack() as arrived:
        if job:
            service.arriving.add(job)
            arrived.callback(service.arriving.discard, job)
        taken = await take_in(request, service.store, asked)
    service.lanes.wake()
    return taken


@router.get("/shots")
def list_jobs(service: Serving) -> JobList:
    """Return all jobs, oldest first."""
    return JobList(service.store.jobs())


@router.get("/shots/{job_id}")
def get_job(job: TheJob) -> Job:
    """Return one job."""
    return job


@router.delete("/shots/{job_id}", status_code=204)
def delete_job(job: TheJob, service: Serving) -> None:
    """Forget a job that is over, with its files."""
    if not service.store.delete(job.id):
        raise HTTPException(409, "The job is not over; cancel it first.")


@router.post("/shots/{job_id}/cancel", status_code=202)
def cancel_job(job: TheJob, service: Serving) -> Job:
    """Stop a job; what it has finished is kept. Without effect on a job that is over."""
    if service.store.cancel(job.id):
        service.lanes.cancel(job.id)
    service.feed.notify(job.id)
    return service.store.job(job.id) or job


@router.get("/shots/{job_id}/events", response_class=EventSourceResponse)
async def follow_job(
    job: TheJob,
    service: Serving,
    after: Annotated[int, Query(ge=0, le=_LAST_NUMBER)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=_LAST_NUMBER)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of a job from the first, or after a number, up to the last one."""
    seen = max(after, last_event_id or 0)
    news = service.feed.follow(job.id)
    try:
        while not service.feed.closed:
            news.clear()
            events = await run_in_threadpool(service.store.events, job.id, after=seen)
            for event in events:
                seen = event.seq
                yield ServerSentEvent(data=event.to_json(), id=str(event.seq))
                if event.final:
                    return
            current = await run_in_threadpool(service.store.job, job.id)
            if current is None or (current.over and not events):
                return
            try:
                await asyncio.wait_for(news.wait(), _KEEPALIVE_SECONDS)
            except TimeoutError:
                yield ServerSentEvent(comment="alive")
    finally:
        service.feed.leave(job.id, news)


@router.get("/shots/{job_id}/take.json", response_class=FileResponse)
def get_record(job: TheJob, service: Serving) -> FileResponse:
    """Return the record of the finished take, with the hash of every file."""
    return _file(service, job, Path(TAKE_FILE), JSON_TYPE)


@router.get("/shots/{job_id}/frames/{frame}", response_class=FileResponse)
def get_frame(job: TheJob, frame: Frame, service: Serving) -> FileResponse:
    """Return a picture by its Blender frame number, as soon as it is finished."""
    return _file(service, job, Path(FRAMES, frame_name(frame)), "image/png")


@router.get("/shots/{job_id}/masks/{frame}", response_class=FileResponse)
def get_mask(job: TheJob, frame: Frame, service: Serving) -> FileResponse:
    """Return the mask of generated pixels of a frame."""
    return _file(service, job, Path(MASKS, frame_name(frame)), "image/png")


@router.get("/shots/{job_id}/depth/{frame}", response_class=FileResponse)
def get_depth(job: TheJob, frame: Frame, service: Serving) -> FileResponse:
    """Return the depth of a frame, where the model makes it."""
    return _file(service, job, Path(DEPTHS, frame_name(frame, ".exr")), "image/x-exr")


@router.get("/shots/{job_id}/preview", response_class=FileResponse)
def get_preview(job: TheJob, service: Serving) -> FileResponse:
    """Return a look at what is being made, where the model shows one; another every few steps."""
    return _file(service, job, Path(PREVIEW_FILE), "image/png")


@router.get("/shots/{job_id}/control/{frame}", response_class=FileResponse)
def get_shown(job: TheJob, frame: Frame, service: Serving) -> FileResponse:
    """Return what the model was shown of a frame, for models that are shown a video."""
    return _file(service, job, Path(SHOWN, frame_name(frame)), "image/png")


@router.get("/shots/{job_id}/control-mask/{frame}", response_class=FileResponse)
def get_shown_mask(job: TheJob, frame: Frame, service: Serving) -> FileResponse:
    """Return which pixels of a frame the model was asked to make."""
    return _file(service, job, Path(SHOWN_MASKS, frame_name(frame)), "image/png")


def _file(service: Service, job: Job, path: Path, media_type: str) -> FileResponse:
    file = service.store.job_folder(job.id) / "take" / path
    if not file.is_file():
        raise HTTPException(404, f"There is no {path.as_posix()} (yet).")
    return FileResponse(file, media_type=media_type)


def _settings(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise HTTPException(422, f"'settings' is not valid JSON ({reason}).") from reason
    if not isinstance(value, dict):
        raise HTTPException(422, "'settings' must be a JSON object of names and values.")
    return value
