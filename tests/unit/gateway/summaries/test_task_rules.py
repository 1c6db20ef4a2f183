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
    # somebody wants it of somebody
    ("I want Ben to call the bank today. It would be great if Lena could book the room by Monday.",
     ["Ben: call the bank (today)", "Lena: book the room (by Monday)"]),
    ("Let's have Maria draft the contract by Tuesday. I'd like you to review the terms by Friday, Ann.",
     ["Maria: draft the contract (by Tuesday)", "Ann: review the terms (by Friday)"]),
    ("Il faut que Sophie envoie le devis avant vendredi. C'est à Julie de préparer la réunion de lundi.",
     ["Sophie: envoie le devis (avant vendredi)", "Julie: préparer la réunion de lundi"]),
    ("Necesito que Juan llame al cliente mañana. Hay que comprar leche.",
     ["Juan: llame al cliente (mañana)", "comprar leche"]),
    ("Ich möchte, dass Ben heute die Bank anruft. Es wäre gut, wenn Lena bis Montag den Raum bucht.",
     ["Ben: die Bank anruft (heute)", "Lena: den Raum bucht (bis Montag)"]),
    ("Bisogna che Sofia mandi il preventivo entro venerdì.", ["Sofia: mandi il preventivo (entro venerdì)"]),
    ("É preciso que a Sofia envie o orçamento até sexta-feira.", ["Sofia: envie o orçamento (até sexta-feira)"]),
    ("Ik wil dat Jan morgen de klant belt.", ["Jan: de klant belt (morgen)"]),
    ("Saya ingin Rina menyiapkan rapat untuk hari Senin.", ["Rina: menyiapkan rapat (untuk hari Senin)"]),
    # reminders
    ("Don't forget to lock the door tonight, Sam.", ["Sam: lock the door (tonight)"]),
    ("Vergiss nicht, morgen die Tür abzuschließen, Sam.", ["Sam: die Tür abzuschließen (morgen)"]),
    ("Sophie, n'oublie pas d'envoyer le devis avant vendredi.", ["Sophie: envoyer le devis (avant vendredi)"]),
    ("No te olvides de comprar el pan para la cena, Luis.", ["Luis: comprar el pan para la cena"]),
    # who it falls to
    ("Action for Peter: renew the licence before June.", ["Peter: renew the licence (before June)"]),
    ("The report must be finished by Thursday. Who does it? I'll do it, said Carla.",
     ["Carla: The report must be finished (by Thursday)"]),
    ("The flowers need to be watered while I am away, Tom.", ["Tom: The flowers need to be watered"]),
    # a time that is another one's, a condition
    ("Please tell Marc that the meeting on Monday is cancelled.",
     ["tell Marc that the meeting on Monday is cancelled"]),
    ("If it rains tomorrow, Tom will bring the tent.", ["Tom: bring the tent – If it rains tomorrow"]),
    ("Ben kümmert sich bis Dienstag um den Vertrag.", ["Ben: kümmert sich um den Vertrag (bis Dienstag)"]),
    ("Jon, please book the van by Monday.", ["Jon: book the van (by Monday)"]),
    ("田中さんは金曜日までに資料を送ってください。", ["田中さん: 資料を送って (金曜日まで)"]),
    ("佐藤さん、明日までに報告書を作成していただけますか。", ["佐藤さん: 報告書を作成する (明日まで)"]),
    ("请小王明天把合同发给客户。麻烦你整理会议室。", ["小王: 把合同发给客户 (明天)", "整理会议室"]),
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
    "I want Ben to be happy. I expect Mary to arrive at noon.",
    "Je veux que Paul soit content. Il faut que je parte.",
    "Ich will, dass Ben glücklich ist.",
    "Quiero que Ana sea feliz.",
    "Remember when Tom fell into the river?",
    "どうぞ座ってください。",
    "请坐。我把合同发给客户了。",
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
