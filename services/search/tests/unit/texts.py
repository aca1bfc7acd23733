"""Texts as people write them, and as nobody does, for hypothesis."""

from hypothesis import strategies as st

from parley_search.analysis import NO_LANGUAGE

LANGUAGES = st.sampled_from(
    [NO_LANGUAGE, "english", "german", "french", "russian", "turkish", "arabic", "greek", "hindi", "finnish", "irish"]
)
PIECES = st.sampled_from(
    [
        "running", "Runs", "don't", "e-mail", "EMAIL", "Café", "cafe\u0301", "Straße", "Größe", "Ærø", "İ", "ı", "ﬁ", "½", "ﷺ",
        "ещё", "Красный", "їжак", "й", "ὈΔΥΣΣΕΎΣ", "हिन्दी", "كِتَابٌ", "سلام\u200cها", "東京都", "ｶﾞ", "か\u3099", "한국어", "ᄒ\u1161\u11ab",
        "ภาษาไทย", "👍🏽", "👩\u200d💻", "🇩🇪", "1️⃣", "℃", "㍿", "①", "@bob", "#tag", "c++", "c#", "_", "__a__", "a_b", "-", "'", "’",
        "\u00ad", "\u200d", "\ufeff", "\u0301", "\u0345", "\ufe0f", "\U0001f3fd", "\0", "\ud800", "\\", "\"", ":", "*", "&", "|", "!", "(",
    ]
)  # fmt: skip
WORDS = st.one_of(PIECES, st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=12))
LETTERS = st.text(st.characters(categories=["L", "M"]), min_size=1, max_size=12)
ANYTHING = st.text(st.characters(), max_size=60)
TEXTS = st.one_of(
    ANYTHING,
    st.lists(st.one_of(WORDS, st.sampled_from([" ", "\n", ". ", ", "])), max_size=20).map("".join),
    st.lists(WORDS, max_size=12).map(" ".join),
)
QUERIES = st.one_of(
    ANYTHING,
    st.lists(
        st.one_of(
            WORDS,
            st.sampled_from(
                ['"', "-", "−", "“", "”", " ", "  ", ":", "from:", "in:", "before:", "after:", "has:", "image", "2026-11-24", "T10:00Z"]
            ),
        ),
        max_size=30,
    ).map("".join),
)  # fmt: skip
