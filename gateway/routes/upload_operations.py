"""Resumable uploads in the table of endpoints."""

from __future__ import annotations

from gateway.api.described import Schema
from gateway.errors import (
    BadRequest,
    ChecksumMismatch,
    NotFound,
    OffsetConflict,
    PaymentRequired,
    PreconditionFailed,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    UnsupportedContentType,
)
from gateway.http.upload_headers import (
    BODY,
    CHECKSUM,
    EXPIRES,
    LENGTH,
    METADATA,
    METHOD_OVERRIDE,
    OFFSET,
    RESUMABLE,
    VERSION,
)
from gateway.reference.operation import Header, Operation, Parameter, Reply, Tag
from gateway.routes.uploads import (
    create_upload,
    describe_uploads,
    extend_upload,
    override_upload,
    remove_upload,
    show_upload,
)

IDENTITY = Parameter("identity", "Id of the upload, the last part of its `Location`.", "path")
VERSIONED = Parameter(RESUMABLE, f"`{VERSION}`, the version of tus that the client speaks.", schema={"const": VERSION})
SENT_BEFORE = Parameter(OFFSET, "How many bytes of the upload were sent before.", schema={"type": "integer"})
HASHED = Parameter(CHECKSUM, "What the body has to hash to: `sha1 BASE64`, or by sha256, sha512 or md5.")
SPOKEN = Header(RESUMABLE, f"`{VERSION}`.", always=True)
POSITION = (
    Header(OFFSET, "How many bytes of the upload are stored.", "integer", always=True),
    Header(EXPIRES, "When the upload is deleted, if nothing more comes and no job takes it over.", always=True),
)
REFUSALS = (BadRequest, Unauthorized, PreconditionFailed, TooManyRequests)
BROKEN = (RequestTimeout, OffsetConflict, TooLarge, UnsupportedContentType, ChecksumMismatch)  # while bytes come
ANY_BYTES: Schema = {}  # as OpenAPI 3.1 describes a body that is no text
ADDRESS, COLLECTION = "/v1/uploads/{identity}", "/v1/uploads"

UPLOAD_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "OPTIONS",
        COLLECTION,
        describe_uploads,
        "describeUploads",
        Tag.UPLOADS,
        "What is spoken of tus, the protocol of resumable uploads",
        replies=[
            Reply(
                "Version and extensions.",
                {},
                [
                    SPOKEN,
                    Header("Tus-Version", "Versions that are spoken.", always=True),
                    Header("Tus-Extension", "Extensions that are spoken.", always=True),
                    Header("Tus-Max-Size", "Bytes of the largest file, whoever sends it.", "integer", always=True),
                    Header("Tus-Checksum-Algorithm", "Hashes that `Upload-Checksum` may have.", always=True),
                ],
                status=204,
            )
        ],
    ),
    Operation(
        "POST",
        COLLECTION,
        create_upload,
        "createUpload",
        Tag.UPLOADS,
        "Begin an upload that may be broken off and gone on with",
        description="By tus 1.0 (https://tus.io), whose clients are given this address and the key as a header. An "
        "upload that is complete is named by its id as `upload` of `POST /v1/jobs`, which takes it over, or of `POST "
        "/v1/transcribe`, which leaves it. Without a key there are no uploads. The body may have the first bytes.",
        body={BODY: ANY_BYTES},
        body_required=False,
        parameters=[
            VERSIONED,
            Parameter(LENGTH, "The file's length in bytes.", schema={"type": "integer", "minimum": 1}),
            Parameter(METADATA, "`filename` and whatever else is known: names with their values in base64."),
            HASHED,
        ],
        replies=[
            Reply(
                "The upload, which waits for its bytes.",
                {},
                [Header("Location", "Path of what was made, a job or an upload.", always=True), SPOKEN, *POSITION],
                status=201,
            )
        ],
        keyed=True,
        errors=[*REFUSALS, *BROKEN, PaymentRequired],
    ),
    Operation(
        "HEAD",
        ADDRESS,
        show_upload,
        "showUpload",
        Tag.UPLOADS,
        "How much of an upload has come",
        parameters=[IDENTITY, VERSIONED],
        replies=[
            Reply(
                "Where it goes on.",
                {},
                [
                    SPOKEN,
                    *POSITION,
                    Header(LENGTH, "The file's length in bytes.", "integer", always=True),
                    Header(METADATA, "As it was sent."),
                    Header("Cache-Control", "`no-store`.", always=True),
                ],
            )
        ],
        keyed=True,
        errors=[*REFUSALS, NotFound],
        error_body=None,
    ),
    Operation(
        "PATCH",
        ADDRESS,
        extend_upload,
        "extendUpload",
        Tag.UPLOADS,
        "The next bytes of an upload",
        description="What has come is kept when the connection breaks, unless it is to be held against a checksum.",
        body={BODY: ANY_BYTES},
        parameters=[IDENTITY, VERSIONED, SENT_BEFORE, HASHED],
        replies=[Reply("They are stored.", {}, [SPOKEN, *POSITION], status=204)],
        keyed=True,
        errors=[*REFUSALS, *BROKEN, NotFound],
    ),
    Operation(
        "DELETE",
        ADDRESS,
        remove_upload,
        "removeUpload",
        Tag.UPLOADS,
        "Delete an upload for good, complete or not",
        parameters=[IDENTITY, VERSIONED],
        replies=[Reply("It is deleted.", {}, [SPOKEN], status=204)],
        keyed=True,
        errors=[*REFUSALS, NotFound],
    ),
    Operation(
        "POST",
        ADDRESS,
        override_upload,
        "overrideUpload",
        Tag.UPLOADS,
        "PATCH or DELETE of an upload, for clients that know neither",
        body={BODY: ANY_BYTES},
        body_required=False,
        parameters=[
            IDENTITY,
            Parameter(
                METHOD_OVERRIDE,
                "The method that is meant: `PATCH` or `DELETE`.",
                schema={"type": "string", "enum": ["PATCH", "DELETE"]},
            ),
            VERSIONED,
            SENT_BEFORE,
            HASHED,
        ],
        replies=[
            Reply("It is done.", {}, [SPOKEN, *(Header(each.name, each.description) for each in POSITION)], status=204)
        ],
        keyed=True,
        errors=[*REFUSALS, *BROKEN, NotFound],
    ),
)
