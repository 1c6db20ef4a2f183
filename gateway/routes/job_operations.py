"""Jobs in the table of endpoints."""

from __future__ import annotations

from gateway.api.jobs import JobChanges, JobForm, JobList, JobReport, JobRequest, WebhookSecret
from gateway.api.transcription import Transcription
from gateway.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PaymentRequired,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from gateway.http.event_stream import EVENT_STREAM
from gateway.reference.openapi import ALLOWANCE, JSON
from gateway.reference.operation import TEXT, Header, Operation, Parameter, Reply, Tag
from gateway.requests.recordings import IDEMPOTENCY_HEADER, REPLAYED_HEADER
from gateway.routes.job_events import follow_job
from gateway.routes.job_listing import MOST, STATUSES, list_jobs
from gateway.routes.job_submission import submit_job
from gateway.routes.jobs import (
    change_job,
    remove_job,
    renew_webhook_secret,
    resend_webhook,
    show_job,
    show_transcript,
    show_webhook_secret,
)
from gateway.routes.transcribe import MODEL_HEADER, WARNINGS_HEADER
from gateway.transcript.subtitles import COLUMNS, NARROWEST, WIDEST

IDENTITY = Parameter("identity", "`id` of the job.", "path")

JOB_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/v1/jobs",
        submit_job,
        "submitJob",
        Tag.JOBS,
        "Hand a recording over, to come back for its transcript",
        description="Answered once the recording is stored: from then on the job ends, whatever gateway stops. It is "
        "paid for when it is completed. Without a key there are no jobs, and a job is seen by its key alone.",
        body={"multipart/form-data": JobForm, JSON: JobRequest},
        parameters=[
            Parameter(
                IDEMPOTENCY_HEADER,
                "Any text of 1 to 255 printable ASCII characters. The same request under the same key is the same job, "
                "as long as that is kept.",
                schema={"type": "string", "pattern": "^[ -~]{1,255}$"},
            )
        ],
        replies=[
            Reply(
                "The job, which waits for its turn.",
                {JSON: JobReport},
                [
                    Header("Location", "Path of what was made, a job or an upload.", always=True),
                    Header(REPLAYED_HEADER, "`true`: the job was handed over before, under the same key."),
                    *ALLOWANCE,
                ],
                status=202,
            )
        ],
        keyed=True,
        errors=[BadRequest, Unauthorized, PaymentRequired, RequestTimeout, TooLarge, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/jobs",
        list_jobs,
        "listJobs",
        Tag.JOBS,
        "Jobs of the key, newest first",
        parameters=[
            Parameter("status", "Only jobs of this status.", "query", {"type": "string", "enum": list(STATUSES)}),
            Parameter("created_after", "Only jobs handed over after this moment.", "query", {"type": "string"}),
            Parameter("created_before", "Only jobs handed over before this moment.", "query", {"type": "string"}),
            Parameter("cursor", "`next_cursor` of the answer before.", "query"),
            Parameter(
                "limit",
                "Most jobs in the answer.",
                "query",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": 20},
            ),
        ],
        replies=[Reply("The jobs.", {JSON: JobList})],
        keyed=True,
        errors=[BadRequest, Unauthorized, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/jobs/{identity}",
        show_job,
        "showJob",
        Tag.JOBS,
        "How far a job is",
        parameters=[IDENTITY],
        replies=[Reply("The job.", {JSON: JobReport})],
        keyed=True,
        errors=[Unauthorized, NotFound, TooManyRequests],
    ),
    Operation(
        "PATCH",
        "/v1/jobs/{identity}",
        change_job,
        "changeJob",
        Tag.JOBS,
        "Name the speakers of a job, correct its words",
        description="All of the changes are made, or none. Segments and words are numbered as in the transcript that "
        "is stored now; a segment without words is gone.",
        body={JSON: JobChanges},
        parameters=[IDENTITY],
        replies=[Reply("The job.", {JSON: JobReport})],
        keyed=True,
        errors=[BadRequest, Unauthorized, NotFound, RequestTimeout, Conflict, TooLarge, TooManyRequests],
    ),
    Operation(
        "DELETE",
        "/v1/jobs/{identity}",
        remove_job,
        "removeJob",
        Tag.JOBS,
        "Cancel a job, or delete one that has ended",
        description="A job that waits or is in work is cancelled: it costs nothing, its recording and what was "
        "recognized are deleted, and it is still shown, as `cancelled`. One that has ended (`completed`, `failed`, "
        "`cancelled`) is deleted for good, with its recording, its transcript and itself.",
        parameters=[IDENTITY],
        replies=[
            Reply("The job, which is cancelled.", {JSON: JobReport}),
            Reply("It is deleted.", {}, status=204),
        ],
        keyed=True,
        errors=[Unauthorized, NotFound, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/jobs/{identity}/transcript",
        show_transcript,
        "showJobTranscript",
        Tag.JOBS,
        "The transcript of a completed job, in any format",
        description="Rendered from what is stored: another format costs nothing.",
        parameters=[
            IDENTITY,
            Parameter(
                "response_format", "As of `POST /v1/transcribe`.", "query", {"type": "string", "default": "json"}
            ),
            Parameter(
                "speaker_labels",
                "Whether txt, srt and vtt name the speakers.",
                "query",
                {"type": "boolean", "default": True},
            ),
            Parameter(
                "subtitle_columns",
                "Columns of a line of srt and vtt.",
                "query",
                {"type": "integer", "minimum": NARROWEST, "maximum": WIDEST, "default": COLUMNS},
            ),
        ],
        replies=[
            Reply(
                "The transcript in the shape that `response_format` names.",
                {JSON: Transcription, "text/plain": TEXT, "application/x-subrip": TEXT, "text/vtt": TEXT},
                [
                    Header(MODEL_HEADER, "The model that really answered.", always=True),
                    Header(WARNINGS_HEADER, "`warnings`, a JSON array in ASCII; missing where there are none."),
                ],
            )
        ],
        keyed=True,
        errors=[BadRequest, Unauthorized, NotFound, Conflict, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/jobs/{identity}/events",
        follow_job,
        "followJob",
        Tag.JOBS,
        "Follow a job until it ends",
        description="Server-sent events: `progress` (JobProgressEvent), `text` (JobTextEvent), at last one that is "
        "named as the job's status: `completed`, `failed` or `cancelled` (JobReport). A comment line comes every 10 s "
        "while nothing else does.",
        parameters=[
            IDENTITY,
            Parameter("Last-Event-ID", "Id of the last `text` event that you have; those after it follow."),
        ],
        replies=[Reply("The events.", {EVENT_STREAM: TEXT})],
        keyed=True,
        errors=[Unauthorized, NotFound, TooManyRequests],
    ),
    Operation(
        "POST",
        "/v1/jobs/{identity}/webhook",
        resend_webhook,
        "resendWebhook",
        Tag.JOBS,
        "Send the webhook of a job that has ended again",
        parameters=[IDENTITY],
        replies=[Reply("The job, whose webhook is on its way.", {JSON: JobReport}, status=202)],
        keyed=True,
        errors=[BadRequest, Unauthorized, NotFound, Conflict, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/webhooks/secret",
        show_webhook_secret,
        "showWebhookSecret",
        Tag.JOBS,
        "The secret that signs this key's webhooks",
        replies=[Reply("The secret.", {JSON: WebhookSecret}, [Header("Cache-Control", "`no-store`.")])],
        keyed=True,
        errors=[Unauthorized, TooManyRequests],
    ),
    Operation(
        "POST",
        "/v1/webhooks/secret",
        renew_webhook_secret,
        "renewWebhookSecret",
        Tag.JOBS,
        "Another secret in its place, from now on",
        replies=[Reply("The new secret.", {JSON: WebhookSecret}, [Header("Cache-Control", "`no-store`.")])],
        keyed=True,
        errors=[Unauthorized, TooManyRequests],
    ),
)
