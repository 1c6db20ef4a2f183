"""Files that try to make ffmpeg open other files or addresses, or to exhaust the machine."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest

from gateway.errors import UnsupportedMedia
from gateway.media.decoding import MediaDecoder
from gateway.media.ffmpeg import MediaLimits

SENTENCE = Path(__file__).parents[3] / "data" / "dashwood.flac"

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "m3u": "#EXTM3U\n#EXTINF:10,x\n{target}\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
    '<SegmentList><SegmentURL media="x"/></SegmentList></Representation></AdaptationSet></Period></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink">'
    '<image x:href="{target}"/></svg>',
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "ram": "{target}\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:09,000\n{target}\n",
}


class Site(http.server.ThreadingHTTPServer):
    """Notes who asks for anything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Visits)
        self.visits: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/secret.wav"


class Visits(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.visits.append(self.path)
        self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> MediaDecoder:
    return MediaDecoder(tmp_path_factory.mktemp("spool"))


@pytest.mark.parametrize("ending", ["mp3", "m3u8", "wav"])
@pytest.mark.parametrize("kind", PLAYLISTS)
async def test_a_list_of_other_places_opens_none_of_them(
    decoder: MediaDecoder, tmp_path: Path, site: Site, kind: str, ending: str
) -> None:
    secret = tmp_path / "secret.flac"
    secret.write_bytes(SENTENCE.read_bytes())
    for target in (site.address, f"file://{secret}", str(secret), "secret.flac"):
        path = tmp_path / f"upload.{ending}"
        path.write_text(PLAYLISTS[kind].format(target=target, host="127.0.0.1", port=site.server_port))
        with pytest.raises(UnsupportedMedia):
            await decoder.decode(path)
    assert site.visits == []


async def test_a_movie_that_refers_to_another_file_does_not_open_it(decoder: MediaDecoder, tmp_path: Path) -> None:
    """QuickTime may keep its samples elsewhere: the `alis` and `url ` entries of `dref`."""
    movie = tmp_path / "upload.mov"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", SENTENCE, "-c:a", "pcm_s16le", movie]
    subprocess.run(command, check=True)
    content = movie.read_bytes()
    entry = content.index(b"dref") + 12
    flags = entry + 8
    outside = content[:flags] + b"\0\0\0\0" + content[flags + 4 :]  # no longer "in this file"
    movie.write_bytes(outside.replace(content[entry + 4 : entry + 8], b"url ", 1))
    try:
        with await decoder.decode(movie) as recording:
            assert recording.duration < 7.2
    except UnsupportedMedia:
        pass


async def test_silence_that_packs_tightly_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.flac"
    hours = ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=14400")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *hours, bomb], check=True)
    assert bomb.stat().st_size < 2_000_000
    spool = tmp_path / "spool"
    spool.mkdir()
    with pytest.raises(UnsupportedMedia, match="longer than"):
        await MediaDecoder(spool, MediaLimits(duration=600)).decode(bomb)
    assert list(spool.iterdir()) == []


async def test_a_leap_in_the_clock_does_not_fill_the_disk(decoder: MediaDecoder, tmp_path: Path) -> None:
    leap = tmp_path / "leap.mkv"
    shift = "asetpts='PTS+if(gt(T,3),1e6/TB,0)'"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", SENTENCE, "-af", shift, leap]
    subprocess.run(command, check=True)
    with await decoder.decode(leap) as recording:
        assert recording.duration == pytest.approx(7.1, abs=0.2)


async def test_a_file_of_many_tracks_is_heard_or_refused(decoder: MediaDecoder, tmp_path: Path) -> None:
    many = tmp_path / "many.mkv"
    tracks = [part for _ in range(200) for part in ("-map", "0:a")]
    source = ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=1")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *tracks, "-c:a", "pcm_s16le", many]
    subprocess.run(command, check=True)
    try:
        with await decoder.decode(many) as recording:
            assert recording.duration == pytest.approx(1.0, abs=0.1) or recording.warnings
    except UnsupportedMedia as refusal:
        assert "accepted" in refusal.message


async def test_work_without_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="more time or memory"):
        await MediaDecoder(tmp_path, MediaLimits(wall=0.0)).decode(SENTENCE)


async def test_a_name_is_never_an_option_or_a_path(decoder: MediaDecoder, tmp_path: Path) -> None:
    upload = tmp_path / "-i file:secret;$(touch x).g722"
    upload.write_bytes(SENTENCE.read_bytes())
    with await decoder.decode(upload, name="../../-f lavfi.mp3") as recording:
        assert recording.duration == pytest.approx(7.1, abs=0.05)
