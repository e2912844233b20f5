"""The fixed words of pages in the languages that they can be in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmtoolkit.scripts import is_korean

KOREAN = {
    # reports
    "Contents": "차례",
    "Scores": "점수",
    "Before and after": "미세 조정 전과 후",
    "Examples, from right to wrong": "예시: 맞은 것부터 틀린 것까지",
    "Learning curves": "학습 곡선",
    "Samples of the training": "학습 중에 만든 것",
    "after epoch {epoch}": "{epoch}에포크 뒤",
    "Settings and data": "설정과 데이터",
    "{count} settings": "설정 {count}개",
    "No scores: there is nothing to compare with.": "비교할 것이 없어 점수가 없습니다.",
    "{score} on {counts}": "{counts}에서 {score}",
    "{count} images": "사진 {count}장",
    "{count} questions": "질문 {count}개",
    "{count} answers": "답 {count}개",
    "{one} about {other}": "{other}에 대한 {one}",
    "{counts} of the {split} split": "{split} 분할의 {counts}",
    "{share} % of the pictures are unlike those of the training; of its own kind about 1 % are.": (
        "사진의 {share} %가 학습에 쓰인 사진과 다릅니다. 같은 종류의 사진이라면 1 % 정도입니다."
    ),
    "95 % interval": "95 % 구간",
    "this model": "이 모델",
    "captions of other pictures": "다른 사진의 설명",
    "most frequent answer": "가장 흔한 답",
    "most frequent answer per question type": "질문 종류별 가장 흔한 답",
    "question only": "질문만 본 모델",
    "pictures of other questions": "다른 질문의 사진",
    "{points} points above {other}": "{other}보다 {points}점 높음",
    "{points} points below {other}": "{other}보다 {points}점 낮음",
    "before": "전",
    "after": "후",
    "{name} on the test split": "{name} (test 분할)",
    "{name} on the old data": "{name} (이전 데이터)",
    "The state was chosen on the pictures of the first lines, which makes them look better than others.": (
        "앞줄의 점수를 낸 사진으로 상태를 골랐으므로, 그 점수는 실제보다 높게 나옵니다."
    ),
    "Best state: {state}.": "가장 좋은 상태: {state}.",
    "Point at a word, tap it or choose it with Tab to see what the model attended to.": (
        "단어를 가리키거나 누르거나 Tab으로 고르면 모델이 주목한 곳이 보입니다."
    ),
    "people: {texts}": "사람: {texts}",
    "{score} from {mark}": "{score} {mark} 이상",
    "epoch": "에포크",
    "training": "학습",
    "validation": "검증",
    "best {value} after epoch {epoch} of {count}": "가장 좋은 값 {value} ({count}에포크 중 {epoch}번째)",
    (
        "Right: scores like the median of people's captions in CIDEr, or is one of them. Unrelated: scores no more "
        "than three in four captions of other pictures do, and people used few of its words for the picture."
    ): (
        "맞음: CIDEr 점수가 사람이 쓴 설명의 중앙값 이상이거나 그중 하나와 같습니다. "
        "무관함: 다른 사진의 설명 넷 중 셋보다 점수가 높지 않고, 쓴 단어도 사람의 설명에 거의 없습니다."
    ),
    "{count} more": "{count}개 더",
    # grades and sections of tasks
    "right": "맞음",
    "minor errors": "작은 오류",
    "related": "관련 있음",
    "unrelated": "무관함",
    "partly right": "일부 맞음",
    "right among the first five": "다섯 후보 안에 정답",
    "wrong": "틀림",
    "How it writes": "문장의 특징",
    "different captions, of 100": "서로 다른 설명 (100개 중)",
    "captions with a pair of words twice, of 100": "두 단어가 되풀이된 설명 (100개 중)",
    "captions that break off, of 100": "말이 끊긴 설명 (100개 중)",
    "captions that occur in the training set, of 100": "학습 데이터에 있는 설명 (100개 중)",
    "words in a caption": "설명의 단어 수",
    "words in a person's caption": "사람이 쓴 설명의 단어 수",
    "Kinds of questions": "질문의 종류",
    "Kinds of answers": "답의 종류",
    "Most confused answers": "자주 헷갈린 답",
    "right, and what was given instead": "정답과 모델의 답",
    "Is it as often right as it is sure?": "확신하는 만큼 맞는가?",
    "probability it gave": "모델이 낸 확률",
    "right (%)": "정답률 (%)",
    "Probability and accuracy are {error} points apart on average.": "확률과 정답률의 차이는 평균 {error}점입니다.",
    "as sure as right": "확률과 정답률이 같은 선",
    # comparison
    "Two runs compared": "두 결과의 비교",
    "What changed": "달라진 점수",
    "Captions side by side": "나란히 보기",
    "Different settings": "다른 설정",
    "{count} records": "{count}개 비교",
    "{grade} (share)": "{grade} (비율)",
    "B is better": "B가 더 좋음",
    "A is better": "A가 더 좋음",
    "no difference beyond noise": "오차 범위를 넘는 차이 없음",
    "A better": "A가 나음",
    "B better": "B가 나음",
    "equal": "같음",
    "all": "모두",
    "higher": "높아짐",
    "lower": "낮아짐",
    "noise": "오차 범위",
    "{shown} of {count} are shown.": "{count}개 중 {shown}개를 보입니다.",
    "For pictures and references add --data, the data set of both.": (
        "사진과 사람의 설명을 함께 보려면 --data로 데이터를 지정하세요."
    ),
    # doctor
    "pictures": "사진",
    "rows": "행",
    "errors": "오류",
    "warnings": "경고",
    "error": "오류",
    "warning": "경고",
    "Vocabulary": "어휘",
    "Lengths": "길이",
    "Answers": "답",
    "unreadable table": "읽을 수 없는 표",
    "unreadable": "읽을 수 없는 사진",
    "truncated": "잘린 사진",
    "unscaled": "밝기 범위를 알 수 없는 사진",
    "missing": "없는 사진",
    "bad row": "잘못된 행",
    "empty": "빈 글",
    "marker": "표식이 든 글",
    "across splits": "분할 사이의 중복",
    "near duplicate across splits": "분할 사이의 거의 같은 사진",
    "duplicate": "중복 파일",
    "near duplicate": "거의 같은 사진",
    "near duplicate with other texts": "글이 다른 거의 같은 사진",
    "wrong extension": "맞지 않는 확장자",
    "cmyk": "인쇄용 색(CMYK)",
    "tiny": "너무 작은 사진",
    "huge": "너무 큰 사진",
    "heic": "HEIC 사진",
    "dark": "너무 어두운 사진",
    "no text": "글이 없는 사진",
    "repeated": "되풀이된 글",
    "unexpected script": "다른 문자로 쓴 글",
    "unexpected language": "다른 언어로 쓴 글",
    "very long": "너무 긴 글",
    "no spaces": "띄어쓰기 없는 글",
    "and {count} more": "그 밖에 {count}개",
    "Findings": "발견한 것",
}


class Words(NamedTuple):
    """The fixed words of a page in one language; what has no translation stays English.

    Example:
        >>> words = Words("ko")
        >>> words("Scores"), words("{count} settings", count=3), words("BLEU-4")
        ('점수', '설정 3개', 'BLEU-4')

    Args:
        language: `"en"` or `"ko"`, for the attribute `lang` of the page.
    """

    language: str = "en"

    @classmethod
    def of(cls, texts: Iterable[str], language: str = "") -> Words:
        """Chooses a language, or where it is empty that of the texts that a page shows.

        Example:
            >>> Words.of(["빨간 원이 있다"]).language, Words.of(["a red circle"]).language
            ('ko', 'en')
        """
        return cls(language or ("ko" if is_korean(texts) else "en"))

    def __call__(self, text: str, **values: object) -> str:
        """Returns a fixed text in the language of the page, its `{names}` replaced by values."""
        found = KOREAN.get(text, text) if self.language == "ko" else text
        return found.format(**values) if values else found


ENGLISH = Words()
