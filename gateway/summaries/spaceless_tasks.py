"""Tasks in Japanese and Chinese, which put no spaces between words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.summaries.utterances import TranscriptSentence

LANGUAGES = ("ja", "zh", "yue")

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任"
    "姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文"
    "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧賈葉閻鐘範譚鄒陸"
)
_CHINESE_NAME = (
    rf"(?:[小老阿][\u4e00-\u9fff]|[{_SURNAMES}](?:经理|老师|先生|女士|总|医生|主任|小姐)|"
    rf"[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}?)"
)
_CHINESE_DUE = (
    r"(?:在|于)?(?:今天|明天|后天|今晚|明晚|本周|这周|下周|下个月|本月|月底|年底|周末|周[一二三四五六日天]|下?星期[一二三四五六日天]|"
    r"[一二三四五六七八九十\d]{1,3}月[一二三四五六七八九十\d]{1,3}[日号])"
    r"(?:[一二三四五六日天])?(?:上午|下午|晚上|早上|中午|底)?(?:之前|以前|前)?"
)
_CHINESE_VERB = (
    "把|给|負責|负责|会|要|需要|必须|来|去|将|准备|写|发|联系|打电话|订|预订|买|检查|整理|安排|提交|通知|完成|修复|打印|确认|预约|做|改|"
    "負責|會|需要|必須|來|準備|寫|發|聯繫|訂|買|檢查|"
)
_CHINESE = re.compile(
    rf"(?:^|[，,、；;。])(?:好的?[，,])?(?:那么?|然后|还有|请|由|让|麻烦|請)?(?P<owner>{_CHINESE_NAME})[，,]?(?:你|请你?)?"
    rf"(?P<due>{_CHINESE_DUE})?(?P<task>(?:{_CHINESE_VERB.rstrip('|')})[^，,。；;！？?]+)"
)
_CHINESE_SELF = re.compile(
    rf"(?:^|[，,；;])(?:好的?[，,])?我(?:来|会|去|负责|要)?(?P<due>{_CHINESE_DUE})?(?:会|来|去|负责)?"
    rf"(?P<task>(?:准备|写|发|联系|打电话|订|预订|买|检查|整理|安排|提交|通知|完成|修复|打印|确认|给|把)[^，,。；;！？?]+)"
)
_CHINESE_REQUEST = re.compile(
    rf"(?:^|[，,；;])(?:请|麻烦|請|麻煩)(?:你|您|大家|你们)?(?:帮我|帮忙)?(?P<due>{_CHINESE_DUE})?"
    rf"(?P<task>(?:准备|写|发|联系|打电话|订|预订|买|检查|整理|安排|提交|通知|完成|修复|打印|确认|给|把)[^，,。；;！？?]+)"
)
_CHINESE_PAST = re.compile(r"昨天|已经|了$|过了|上周|上个月|去年|没有|不会|不用|不要|每天|每周|总是|一般")

_JAPANESE_DUE = (
    r"(?:今日|本日|明日|明後日|あさって|来週(?:の?[月火水木金土日]曜日?)?|今週(?:の?[月火水木金土日]曜日?|中)?|[月火水木金土日]曜日?|今月末|月末|週末|"
    r"[一二三四五六七八九十\d]{1,3}月[一二三四五六七八九十\d]{1,3}日|[一二三四五六七八九十\d]{1,3}日|来月|今夜|午後|午前)(?:まで|中)?(?:に)?"
)
_JAPANESE_NAME = r"[\u3040-\u30ff\u4e00-\u9fff]{1,6}(?:さん|くん|君|様|部長|課長|先生)"
_JAPANESE = re.compile(
    rf"(?:^|[、。])?(?:では|じゃあ|それでは|次に|あと)?[、]?(?P<owner>{_JAPANESE_NAME})(?:には|は|が|に|、|も)(?P<task>[^。？?]+?)"
    r"(?P<end>をお願いします|お願いします|して(?:ください|くれますか|もらえますか|いただけますか|もらいます)|します|する予定です|する|担当です|"
    r"(?<=[てで])(?:ください|くれますか|もらえますか|いただけますか|もらいます)|ください|ます)[。？?]?$"
)
_JAPANESE_REQUEST = re.compile(
    r"(?:^|[、])(?P<task>[^。？?]+?)(?P<end>をお願いします|して(?:ください|もらえますか|いただけますか)|"
    r"(?<=[てで])(?:ください|もらえますか|いただけますか))[。？?]?$"
)
_JAPANESE_SELF = re.compile(
    r"(?:^|[、])(?:はい、)?(?:私|僕|俺|わたし)(?:が|は)(?P<task>[^。？?]+?)(?P<end>します|ます|しておきます)[。]?$"
)
_JAPANESE_PAST = re.compile(
    r"ました|でした|昨日|先週|先月|ません|ないで|毎日|毎週|いつも|ています|好きです|住んで|思います|(?<!もら)います[。]?$|あります[。]?$"
)


def read(utterances: Sequence[TranscriptSentence]) -> Iterator[tuple[str, str, str, int]]:
    """Task, owner, due, number of the sentence."""
    for utterance in utterances:
        text = utterance.text
        if re.search(r"[\u3040-\u30ff]", text):
            yield from _japanese(utterance)
        elif not re.search(r"[？?]\s*$", text):
            yield from _chinese(utterance)


def _japanese(utterance: TranscriptSentence) -> Iterator[tuple[str, str, str, int]]:
    text = utterance.text
    if _JAPANESE_PAST.search(text):
        return
    found = _JAPANESE.search(text)
    owner = found["owner"] if found else utterance.speaker
    found = found or _JAPANESE_SELF.search(text)
    if found is None and (found := _JAPANESE_REQUEST.search(text)):
        owner = ""
    if found is None or (not owner and not re.search(_JAPANESE_DUE, text)):
        return
    due = re.search(_JAPANESE_DUE, found["task"])
    task = found["task"].replace(due[0], "", 1) if due else found["task"]
    ending = "する" if found["end"].startswith("し") else ""
    task = (task.strip("、は,に ") if not ending else task.strip("、, ")) + ending
    if found["end"] == "ます":
        task += "ます"
    if len(task) > 1:
        yield task, owner, re.sub(r"に$", "", due[0]) if due else "", utterance.number


def _chinese(utterance: TranscriptSentence) -> Iterator[tuple[str, str, str, int]]:
    text = utterance.text.rstrip("。！!. ")
    for pattern in (_CHINESE, _CHINESE_SELF, _CHINESE_REQUEST):
        for found in pattern.finditer(text):
            if _CHINESE_PAST.search(found[0]):
                continue
            own = utterance.speaker if pattern is _CHINESE_SELF else ""
            owner = found["owner"] if "owner" in found.groupdict() else own
            task = found["task"]
            due = found["due"] or ""
            if not due and (inside := re.search(_CHINESE_DUE, task)):
                due, task = inside[0], task.replace(inside[0], "", 1)
            task = re.sub(r"^(?:会|要|需要|必须|来|去|将|负责|會|需要|必須|來|負責)(?=[\u4e00-\u9fff]{2})", "", task)
            yield task, owner, re.sub(r"^[在于]", "", due), utterance.number
