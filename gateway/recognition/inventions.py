"""What Whisper writes where nobody says it: credits and farewells of the subtitles that it was trained on.

People say some of these too, so they are not forbidden: they need stronger evidence than other words.
"""

from __future__ import annotations

import re
import unicodedata

# In the 20 languages in which they were met most. As they are compared: no case, no marks.
_WHOLE = """
you | bye | thank you | thanks | thank you very much | thank you so much | okay | music | applause
gracias | merci | danke | vielen dank | obrigado | obrigada | grazie | tack | tak | takk | dziękuję | děkuji
köszönöm
mulțumesc | teşekkürler | teşekkür ederim | спасибо | дякую | ευχαριστώ | شكرا | תודה | ありがとうございました
谢谢 | 謝謝
감사합니다 | ขอบคุณครับ | cảm ơn | terima kasih | dank je wel | kiitos | धन्यवाद
"""
_PARTS = """
thanks for watching | thank you for watching | please subscribe | like and subscribe | subscribe to my channel
see you in the next video | see you next time | subtitles by | captions by | amara org | transcription by
copyright wdr | untertitel | vielen dank fürs zuschauen | danke fürs zuschauen
sous titres | sous titrage | merci d avoir regardé | abonnez vous
subtítulos | gracias por ver | suscríbete | subtitulado por
sottotitoli | grazie per la visione | grazie per aver guardato | iscrivetevi al canale
legendas pela | legendado por | obrigado por assistir | inscreva se
ondertitels | ondertiteling | bedankt voor het kijken
napisy stworzone | napisy przez | dziękuję za oglądanie | dziękuję za uwagę
titulky vytvořil | titulky | děkuji za pozornost
feliratok | köszönöm hogy megnézted
subtitrare | vă mulțumim pentru vizionare | mulțumesc pentru vizionare
undertexter | tack för att ni tittade | undertekster | tak fordi du så med | teksting av | takk for at du så på
tekstitys | kiitos kun katsoit
altyazı | izlediğiniz için teşekkür
субтитры | продолжение следует | спасибо за просмотр | подписывайтесь на канал | редактор субтитров
субтитри | дякую за перегляд
υπότιτλοι | ευχαριστώ που παρακολουθήσατε
ترجمة نانسي | اشتركوا في القناة | شكرا على المشاهدة | תודה שצפיתם | תרגום וכתוביות
ご視聴ありがとう | チャンネル登録 | 字幕 | 请不吝点赞 | 明镜与点点 | 谢谢观看 | 感谢观看 | 謝謝觀看 | 多謝您收看
시청해주셔서 | 구독과 좋아요 | 자막
ขอบคุณที่รับชม | cảm ơn các bạn đã theo dõi | hãy subscribe | terima kasih telah menonton | terima kasih kerana menonton
देखने के लिए धन्यवाद
"""


def normal(text: str) -> str:
    """Folded case, letters, marks and digits alone, one space between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in folded)
    return " ".join(kept.split())


def _read(list_: str) -> tuple[str, ...]:
    return tuple(normal(each) for each in re.split(r"[|\n]", list_) if each.strip())


WHOLE = frozenset(_read(_WHOLE))
PARTS = _read(_PARTS)
MOST_WORDS = 12  # of an invention: a long sentence that mentions subtitles is none


def is_known_invention(text: str) -> bool:
    """text: of a sentence, or of all that stands between two pauses"""
    said = normal(text)
    return said in WHOLE or (len(said.split()) <= MOST_WORDS and any(part in said for part in PARTS))
