"""The words of the interface, English beside Chinese; the browser's language chooses.

`t` is for components: gradio translates what it gives in the page. `say` is for HTML that is made
once in each language (`fragments` of `translations`). Answers, rates and messages that the server
makes while somebody uses the app are English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gradio as gr

LANGUAGES = ("en", "zh-CN")
# fmt: off
TEXTS: dict[str, tuple[str, str]] = {
    # the tabs
    "tab.compare": ("Compare", "对比"),
    "tab.unlearn": ("Unlearn", "遗忘"),
    "tab.adapters": ("Adapters", "适配器"),
    "tab.audit": ("Audit", "审计"),
    "tab.benchmark": ("Benchmark", "基准"),
    "tab.about": ("About", "关于"),
    # Compare
    "lead.head": ("Now make it forget something else", "让它忘记别的"),
    "lead.note": ("Each opens the Unlearn tab, filled in: press Start there.",
                  "每个按钮都会打开已填好的“遗忘”页：在那里按“开始”。"),
    "lead.things": ("Dogs and elephants", "狗和大象"),
    "lead.people": ("Three people", "三个人"),
    "lead.own": ("Your own concept", "您自己的概念"),
    # About
    "about.what": ("What it does", "它做什么"),
    "about.does": (
        "A short session removes a concept, a thing or a person, from the <b>vision encoder</b> of "
        "a vision-language model; the language model stays as it was. You put the same question to "
        "the original and to the unlearned model, side by side. An audit then looks for what is "
        "left, and you take the adapter home.",
        "一次短训练从视觉语言模型的<b>视觉编码器</b>中移除一个概念（物体或人物），语言模型保持不变。"
        "您可以就同一张图片向原模型和遗忘后的模型提出同一个问题，并排比较回答。"
        "随后审计会查找残留的信息，您也可以带走适配器。"),
    "about.how": ("How it works", "工作原理"),
    "about.picture": ("Picture", "图片"),
    "about.encoder": ("Vision encoder", "视觉编码器"),
    "about.adapter": ("+ adapter (LoRA)", "+ 适配器（LoRA）"),
    "about.projector": ("Projector", "投影层"),
    "about.decoder": ("Decoder", "解码器"),
    "about.frozen": ("frozen", "冻结"),
    "about.answers": ("Answers", "回答"),
    "about.sampled": ("several, sampled", "采样多个"),
    "about.rewards": ("Rewards, by rule", "基于规则的奖励"),
    "about.forget": ("the name is not said", "不说出名称"),
    "about.abstraction": ("the kind is said instead", "改说更一般的类别"),
    "about.retain": ("other things keep their names", "其他事物仍能说对"),
    "about.stage1": (
        "Stage 1: the general word is taught; other pictures keep their image tokens",
        "阶段一：教会更一般的词；其他图片的图像特征保持不变"),
    "about.stage2": (
        "Stage 2 (GRPO): answers that earn more become likelier",
        "阶段二（GRPO）：得分更高的回答变得更可能"),
    "about.alt": (
        "A picture goes through the vision encoder with its adapter, the projector and the frozen "
        "decoder, which answers. Rules reward answers that do not say the forgotten name, that say "
        "the kind instead, and that still name other things. The rewards change the adapter alone. "
        "Stage 1 teaches the general word, stage 2 reinforces what earns more.",
        "图片经过带适配器的视觉编码器、投影层和冻结的解码器，得到回答。规则奖励：不说出被遗忘的名称、"
        "改说类别、其他事物仍能说对。奖励只改变适配器。阶段一教会更一般的词，阶段二强化得分更高的回答。"),
    "about.limits": ("What it can't do", "它做不到什么"),
    "about.limit1": (
        "Answers that no longer name a concept do not prove that the encoder lost it: the Audit "
        "tab shows what is left.",
        "回答中不再出现某个概念，并不证明编码器已经失去它：残留的信息见“审计”。"),
    "about.limit2": (
        "The audit knows the attacks it makes. <i>Clear</i> means that none of them found "
        "anything, and no more.",
        "审计只包含它实施的攻击。“clear” 仅表示这些攻击都没有发现问题。"),
    "about.limit3": ("An adapter is a switch: whoever has it can take it off.",
                     "适配器只是一个开关：持有者可以把它取下。"),
    "about.limit4": (
        "The bundled model knows a small drawn world of {things} kinds of things and {people} "
        "invented people. On photographs the results are not good yet.",
        "自带模型只认识一个手绘的小世界：{things} 类物体和 {people} 个虚构人物。"
        "在真实照片上效果还不好。"),
    "about.sources": ("Sources", "来源"),
    "about.method": ("the method", "方法"),
    "about.rl": ("the reinforcement learning", "强化学习"),
    "about.lora": ("the adapter's form", "适配器的形式"),
    "about.model": ("Model and adapters here", "本机的模型与适配器"),
    "about.parameters": ("{n} M parameters", "{n} 百万参数"),
    "about.licence": ("Licence", "许可证"),
    "about.versions": ("Versions", "版本"),
}
# fmt: on
WORDS = gr.I18n(**{lang: {k: v[i] for k, v in TEXTS.items()} for i, lang in enumerate(LANGUAGES)})


def t(key: str) -> str:
    """A text for a component, to be translated in the page."""
    if key not in TEXTS:
        raise KeyError(f"no text '{key}'")
    return marker(key)


def marker(key: str) -> str:
    """What gradio's page replaces by the text or fragment of this name; one a string."""
    return str(WORDS(key))


def say(key: str, language: str, **values: object) -> str:
    """A text in one language."""
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def translations(fragments: Mapping[str, Callable[[str], str]]) -> gr.I18n:
    """All texts, and HTML fragments that are made once in each language."""
    return gr.I18n(
        **{
            lang: words | {name: made(lang) for name, made in fragments.items()}
            for lang, words in WORDS.translations.items()
        }
    )
