from __future__ import annotations

import pytest

from gateway.summaries.language import detect_language
from gateway.summaries.transcript_reading import TranscriptReading
from gateway.summaries.utterances import utterances_of_text

GIVEN = [
    ("Ben orders two phones today. Carla writes the test plan by Friday.",
     ["Ben: order two phones (today)", "Carla: write the test plan (by Friday)"]),
    ("Good morning. Short one today. Ben orders two phones today and Carla writes the test plan by Friday. Thank you.",
     ["Ben: order two phones (today)", "Carla: write the test plan (by Friday)"]),
    ("We decided to release on the tenth. Anna prepares the release notes until Wednesday. Peter checks the backups. "
     "Nobody works on the weekend.",
     ["Anna: prepare the release notes (until Wednesday)", "Peter: check the backups"]),
    ("I will send the invoice to the customer tomorrow. You call the bank, Tom.",
     ["send the invoice to the customer (tomorrow)", "Tom: call the bank"]),
    ("Speaker 1: Who orders the phones? Speaker 2: I'll do it, this afternoon. Speaker 1: Thanks, Ben. "
     "Speaker 3: And I write the test plan. Speaker 1: Until when? Speaker 3: Friday.",
     ["Ben: order the phones (this afternoon)", "Speaker 3: write the test plan (Friday)"]),
    ("Somebody needs to fix the door lock. The heating must be repaired before winter. "
     "Lisa offers to call the electrician on Tuesday.",
     ["fix the door lock", "The heating must be repaired (before winter)", "Lisa: call the electrician (on Tuesday)"]),
    ("Minutes: 1. Phones: Ben orders two today. 2. Test plan: Carla, by Friday.",
     ["Ben: order two (today)", "Carla: Test plan (by Friday)"]),
    ("Ben and Carla have to order two phones today.", ["Ben and Carla: order two phones (today)"]),
    ("Anna: Priya, fix the refunds by Friday, please. Priya: I will.", ["Priya: fix the refunds (by Friday)"]),
    ("Marcus, when could you have that? By Thursday. Hannah, can you call them? Yes, I will do it today.",
     ["Hannah: call them (today)"]),
    ("Herr Acar, können Sie bis Mittwoch drei Angebote für den Transport einholen? Ja, mache ich. "
     "Frau Lindner prüft, ob wir die alte Regalanlage reparieren können.",
     ["Herr Acar: drei Angebote für den Transport einholen (bis Mittwoch)",
      "Frau Lindner: prüft, ob wir die alte Regalanlage reparieren können"]),
    ("Ben bestellt heute zwei Telefone. Carla schreibt bis Freitag den Testplan.",
     ["Ben: bestellt zwei Telefone (heute)", "Carla: schreibt den Testplan (bis Freitag)"]),
    ("Lucía prepara la presentación para el martes. Pablo va a llamar al cliente mañana.",
     ["Lucía: prepara la presentación (para el martes)", "Pablo: llamar al cliente (mañana)"]),
    ("Nadia va faire un rollback ce matin. For the client call tomorrow, Tom sends the slides tonight.",
     ["Nadia: faire un rollback (ce matin)", "Tom: send the slides (tonight)"]),
    ("Sari akan mengirim laporan besok pagi. Doni, tolong pesan ruang rapat untuk hari Senin. Baik, saya pesan.",
     ["Sari: mengirim laporan (besok pagi)", "Doni: pesan ruang rapat (untuk hari Senin)"]),
    ("会議を始めます。田中さんは金曜日までに資料を作成してください。", ["田中さん: 資料を作成する (金曜日まで)"]),
    ("大家好。小王负责周五之前写测试计划。天气很好。", ["小王: 写测试计划 (周五之前)"]),
]  # fmt: skip

NONE = [
    "hi",
    "Okay, bye.",
    "Yesterday we went to the cinema. Tom fell asleep and Anna bought popcorn.",
    "Every visitor signs the book at the door. Nobody smokes in the hall.",
    "Can you take the minutes, Paul? No, sorry, I have to leave early.",
    "We will not buy new desks. Nobody works on the weekend.",
    "You should see the washing machine at home. I never write letters.",
    "Anna has finished the report. Ben already called the bank last week.",
    "Wir waren gestern im Zoo. Jens hat die Karten bestellt. Niemand muss streichen.",
    "Ayer Lucía llamó al cliente. Siempre prepara la comida.",
    "Kemarin Sari mengirim laporan. Kami sudah memesan hotel.",
    "昨日は雨でした。田中さんは資料を作成しました。",
]


def told(text: str) -> list[str]:
    reading = TranscriptReading(utterances_of_text(text), detect_language(text))
    return [
        f"{f'{task.owner}: ' if task.owner else ''}{task.task}{f' ({task.due})' if task.due else ''}"
        for task in reading.tasks
    ]


@pytest.mark.parametrize(("text", "expected"), GIVEN, ids=[text[:30] for text, _ in GIVEN])
def test_who_does_what_by_when_is_read_as_it_was_said(text: str, expected: list[str]) -> None:
    assert told(text) == expected


@pytest.mark.parametrize("text", NONE)
def test_what_is_past_denied_refused_or_a_rule_is_no_task(text: str) -> None:
    assert told(text) == []
