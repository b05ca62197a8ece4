"""The texts of the interface by key, English beside Chinese; the browser's language chooses.

`t` is for components: Gradio translates its markers in the page. `say` is for HTML that is made
once in each language (`fragments` of `translations`). Phrases that the server says while somebody
uses the app are in `server_phrases.py`; answers, reports and commands are English.
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
    "tab.audit": ("Audit", "审计"),
    "tab.adapters": ("Adapters", "适配器"),
    "tab.benchmark": ("Benchmark", "基准"),
    "tab.about": ("About", "关于"),
    "command": ("The same on the command line", "对应的命令行"),
    # the head and the foot of the page
    "hero.title": ("Watch a vision-language model forget", "看视觉语言模型如何遗忘"),
    "hero.lead": (
        "The same question, put to one small model before and after its <b>vision encoder</b> "
        'unlearned a concept. It used to say <mark class="forgotten">a dog</mark>. Now it should '
        'say <mark class="abstract">an animal</mark>, and not invent '
        '<mark class="invented">a cat</mark>.',
        "在<b>视觉编码器</b>遗忘一个概念之前和之后，向同一个小模型提出同一个问题。"
        '它原来说 <mark class="forgotten">a dog</mark>（狗），现在应该说 '
        '<mark class="abstract">an animal</mark>（动物），并且不编造 '
        '<mark class="invented">a cat</mark>（猫）。'),
    "privacy": (
        "No analytics, no run history; nothing is fetched from or sent elsewhere, unless you press "
        "<i>Pull</i> or <i>Push</i>. Only this browser, and whoever runs this server, can see what "
        "you upload or make. Pictures for Compare are deleted about a minute after you leave. "
        "Pictures of a concept of your own are kept with what you made from them, at most a day. "
        "Adapters and reports are deleted a day after you last made something, or when you say so. "
        "The pictures here are drawn, but for one photograph, and all people are invented.",
        "没有统计分析，没有运行记录；除非您按“拉取”或“推送”，不会与外部收发任何数据。"
        "您上传和生成的内容只有这个浏览器和服务器的运营者能看到。“对比”中的图片在您离开约一分钟后删除。"
        "您自己概念的图片与由其生成的内容一同保留，最多一天。"
        "适配器和报告在您最后一次生成内容的一天后删除，或在您要求时立即删除。"
        "除一张照片外，这里的图片都是绘制的，人物都是虚构的。"),
    "delete.all": ("Delete everything of mine", "删除我的全部内容"),
    "delete.all.ask": (
        "This ends what you have under way and deletes your adapters, reports, pictures, bench "
        "rows and checkpoints here, at once and for good. Download first what you want to keep.",
        "这会结束您正在进行的任务，并立即永久删除您在此处的适配器、报告、图片、基准结果和检查点。"
        "请先下载要保留的内容。"),
    "delete.adapter": ("Delete this adapter", "删除此适配器"),
    "delete.adapter.ask": (
        "This deletes the chosen adapter and the pictures of your own that it was made from, at "
        "once and for good. Those that come with the app stay.",
        "这会立即永久删除所选适配器以及用来训练它的您自己的图片。应用自带的适配器不会被删除。"),
    "delete.report": ("Delete this report", "删除此报告"),
    "delete.report.ask": (
        "This deletes the open report, at once and for good. Those that come with the app stay.",
        "这会立即永久删除打开的报告。应用自带的报告不会被删除。"),
    "delete.sure": ("Delete", "删除"),
    "delete.cancel": ("Cancel", "取消"),
    # Compare
    "compare.upload": ("Upload your own picture", "上传您的图片"),
    "compare.adapter": ("Unlearned model", "遗忘后的模型"),
    "compare.adapter.info": ("The adapter behind the answer on the right.",
                             "右侧回答所用的适配器。"),
    "compare.question": ("Question", "问题"),
    "compare.ask": ("Ask", "提问"),
    "compare.ask.hint": ("Ask about the picture ...", "就图片提问……"),
    "compare.loading": ("Loading the model ...", "正在加载模型……"),
    "compare.set": ("### Test it on 24 pictures", "### 用 24 张图片测试"),
    "compare.set.loading": ("Asking both models about 24 pictures ...", "正在就 24 张图片提问……"),
    "compare.topic": ("Kind of question", "问题类型"),
    "topic.name": ("What is it? Who is it?", "这是什么？是谁？"),
    "topic.describe": ("Describe the picture", "描述图片"),
    "topic.caption": ("Write a caption", "写一句说明"),
    "topic.exists": ("Is there any ...?", "图中有没有……？"),
    "legend": ("What the colours mean", "颜色的含义"),
    "kind.abstract": ("category", "类别"),
    "kind.abstract.tip": ("An honest, more general word: what it is, not which or who.",
                          "诚实而更一般的词：是什么，而不是具体哪个或谁。"),
    "kind.forgotten": ("forgotten concept", "被遗忘的概念"),
    "kind.forgotten.tip": ("A name that was to be forgotten.", "应当被遗忘的名称。"),
    "kind.invented": ("hallucinated name", "编造的名称"),
    "kind.invented.tip": ("A specific name of something that is not in the picture.",
                          "图片中不存在的事物的具体名称。"),
    "lead.head": ("Now make it forget something else", "让它忘记别的"),
    "lead.note": ("Each opens Unlearn. The first two fill in the form: just press Start.",
                  "每个按钮都会打开“遗忘”页。前两个会填好表单：只需按“开始”。"),
    "lead.things": ("Dogs and elephants", "狗和大象"),
    "lead.people": ("Three people", "三个人"),
    "lead.own": ("Your own concept", "您自己的概念"),
    "beside.head": ("And a photograph", "再看一张照片"),
    "beside.note": ("Asked of the second model, which sees photographs.",
                    "由第二个模型（识别照片）回答。"),
    "beside.ask": ("Ask about this photograph", "就这张照片提问"),
    # Unlearn
    "start": ("Start", "开始"),
    "stop": ("Stop", "停止"),
    "seed": ("Seed", "随机种子"),
    "seed.info": ("The same seed draws the same pictures.", "相同的种子绘制相同的图片。"),
    "unlearn.things": ("Things to forget", "要遗忘的物体"),
    "unlearn.people": ("People to forget (all invented)", "要遗忘的人物（均为虚构）"),
    "unlearn.settings": ("Settings", "设置"),
    "unlearn.recipe": ("Preset", "预设"),
    "preset.default": ("Default (this project)", "默认（本项目）"),
    "preset.paper": ("Paper (HFRU)", "论文（HFRU）"),
    "preset.deep": ("Deep (slower, leaves less behind)", "深度（较慢，残留更少）"),
    "unlearn.steps": ("Training steps (both stages)", "训练步数（两个阶段）"),
    "unlearn.steps.info": ("More steps take longer and forget more thoroughly.",
                           "步数越多，时间越长，遗忘越彻底。"),
    "unlearn.scope": ("Trained part", "训练的部分"),
    "scope.encoder": ("Vision encoder", "视觉编码器"),
    "scope.encoder+projector": ("Encoder + projector", "编码器 + 投影层"),
    "unlearn.past": ("Finished sessions", "已完成的训练"),
    "unlearn.past.info": ("Choose one to see its curves and rates again.",
                          "选择一个即可再次查看其曲线和比率。"),
    "unlearn.cut": ("Interrupted sessions", "中断的训练"),
    "unlearn.resume": ("Resume", "继续"),
    "unlearn.drop": ("Delete", "删除"),
    "unlearn.compare": ("Compare with this adapter", "用此适配器对比"),
    "unlearn.download": ("Download adapter", "下载适配器"),
    "unlearn.empty": ("Nothing has been forgotten yet", "尚未遗忘任何内容"),
    "unlearn.empty.hint": (
        "Choose what to forget, then press <i>Start</i>.",
        "选择要遗忘的内容，然后按“开始”。"),
    "unlearn.empty.1": ("Stage 1 breaks the link between the picture and the name.",
                        "阶段一切断图片与名称之间的联系。"),
    "unlearn.empty.2": ("Stage 2 rewards honest, more general answers.",
                        "阶段二奖励诚实而更一般的回答。"),
    "unlearn.empty.3": ("Meanwhile you see the answers to eight pictures change.",
                        "同时您会看到八张图片的回答随之变化。"),
    "unlearn.empty.4": ("Then come rates on new pictures, and an adapter to compare or download.",
                        "最后是新图片上的比率，以及可对比、可下载的适配器。"),
    # a concept of one's own
    "own": ("A concept of your own", "您自己的概念"),
    "own.help": (
        "Add at least 4 pictures of it and the words around it: the model suggests words, you "
        "correct them. Bundled pictures of other things protect the rest of its knowledge. A model "
        "can only forget what it knows: photographs go to the model of photographs where that is "
        "installed, all else to the drawn world's, and the state of the session says which. Your "
        "pictures are kept here until you delete the adapter or everything, at most a day.",
        "请提供至少 4 张图片以及相关词语：由模型建议，您来修改。"
        "项目自带的其他图片用于保护其余知识。"
        "模型只能遗忘它认识的东西：照片交给照片模型（如已安装），其余交给手绘世界的模型，训练状态会说明是哪一个。"
        "您的图片会保留到您删除该适配器或全部内容为止，最多一天。"),
    "own.name": ("Name", "名称"),
    "own.kind": ("What it is", "类型"),
    "own.object": ("A thing", "物体"),
    "own.identity": ("A person", "人物"),
    "own.pictures": ("Pictures", "图片"),
    "own.suggest": ("Suggest words", "建议词语"),
    "own.sense": ("What the word means here", "这个词在此的含义"),
    "own.aliases": ("Other names", "其他名称"),
    "own.aliases.info": ("Any answer containing one counts as naming it.",
                         "含有其中之一的回答都算作说出了它。"),
    "own.abstractions": ("More general words", "更一般的词"),
    "own.abstractions.info": ("What an honest answer says instead.", "诚实的回答改说什么。"),
    "own.siblings": ("Things it could be confused with", "容易混淆的事物"),
    "own.siblings.info": ("Counted as a made-up answer.", "说出其中之一算作编造的回答。"),
    # Adapters
    "adapters.download": ("Download zip", "下载 zip"),
    "adapters.upload": ("Upload a zip", "上传 zip"),
    "adapters.loading": ("Reading the adapter ...", "正在读取适配器……"),
    "hub": ("Hugging Face Hub", "Hugging Face Hub"),
    "hub.token": ("Token", "令牌"),
    "hub.token.info": ("For private repositories and pushing. Used for one request, then emptied.",
                       "用于私有仓库和推送。只用于一次请求，随即清空。"),
    "hub.repo": ("Repository", "仓库"),
    "hub.revision": ("Revision to pull", "要拉取的版本"),
    "hub.newest": ("latest", "最新"),
    "hub.private": ("Push as a private repository", "推送为私有仓库"),
    "hub.pull": ("Pull", "拉取"),
    "hub.push": ("Push", "推送"),
    "strength": ("Strength", "强度"),
    "strength.info": ("0 = original model, 1 = full adapter.",
                      "0 = 原模型，1 = 完整的适配器。"),
    "strength.keep": ("Save as a new adapter at this strength", "以此强度保存为新适配器"),
    "stack": ("Combine several adapters into one", "将多个适配器合并为一个"),
    "stack.info": ("Adapters to combine (their effects add up)", "要合并的适配器（效果相加）"),
    "stack.do": ("Combine", "合并"),
    "merge": ("Merge into a stand-alone model", "并入独立的完整模型"),
    "merge.why": (
        "Anyone who has an adapter can switch it off. A merged model has nothing to take off, so "
        "release that one. This is not deletion: the original model still knows the concept.",
        "持有适配器的人可以关闭它。合并后的模型没有可取下的部分，因此请发布合并后的模型。"
        "这不是删除：原模型仍然认识该概念。"),
    "merge.do": ("Merge", "并入"),
    "merge.download": ("Download model", "下载模型"),
    # Audit
    "audit.reports": ("Finished reports", "已完成的报告"),
    "audit.adapter": ("Adapter to audit", "要审计的适配器"),
    "audit.depth": ("Depth", "深度"),
    "audit.standard": ("Standard (1-2 minutes)", "标准（1-2 分钟）"),
    "audit.deep": ("Deep: adds attacks that retrain the model (4+ minutes)",
                   "深入：增加重新训练模型的攻击（4 分钟以上）"),
    "audit.html": ("Download report (HTML)", "下载报告（HTML）"),
    "audit.json": ("Download data (JSON)", "下载数据（JSON）"),
    "audit.md": ("Download text (Markdown)", "下载文本（Markdown）"),
    "audit.csv": ("Download samples (CSV)", "下载样本（CSV）"),
    "audit.finding": ("Inspect a finding", "查看一项发现"),
    "audit.shown": ("Pictures on the maps", "图上的图片"),
    "audit.point": ("Highlight one picture in every map", "在每张图上突出显示一张图片"),
    "audit.all": ("All findings", "全部发现"),
    # Benchmark
    "bench.methods": ("Methods", "方法"),
    "bench.scopes": ("Scopes", "范围"),
    "bench.tasks": ("Tasks", "任务"),
    "bench.sources": ("Pictures", "图片"),
    "bench.budgets": ("Training budget", "训练预算"),
    "bench.requests": ("Forget set", "遗忘集"),
    "bench.over": ("Average", "平均"),
    "bench.over.tasks": ("over tasks and seeds", "任务和种子"),
    "bench.over.seeds": ("over seeds", "种子"),
    "bench.over.runs": ("none (every run)", "不平均（每次运行）"),
    "bench.hint": (
        "↑ higher is better, ↓ lower is better. Click a column to sort; click again to reverse. "
        "Below a value: the 95 % interval of one run, or the lowest and highest of several (their "
        "mean weights tasks equally). – means not measured. <i>Base</i> is the original model, "
        "<i>oracle</i> a model retrained without the concept; these and other references stay in "
        "the table for comparison.",
        "↑ 越高越好，↓ 越低越好。点击列名排序，再次点击则反向。数值下方是单次运行的 95 % 区间，"
        "或多次运行的最低值和最高值（取平均时各任务权重相同）。– 表示未测量。"
        "“原模型”即未经改动的模型，“参照”是不含该概念重新训练的模型；"
        "这些参照始终保留在表中以供比较。"),
    "bench.csv": ("Download CSV", "下载 CSV"),
    "bench.json": ("Download JSON", "下载 JSON"),
    "bench.columns": ("What the columns mean", "各列的含义"),
    "bench.quick.retain": ("Forgetting and retention", "遗忘与保留"),
    "bench.quick.cost": ("Leakage and cost", "泄漏与成本"),
    "bench.x": ("X axis", "横轴"),
    "bench.y": ("Y axis", "纵轴"),
    "bench.again": ("Reproduce", "复现"),
    "bench.run": ("Run methods", "运行方法"),
    "bench_run.intro": (
        "Each method unlearns the task on a copy of the model, answers questions about new "
        "pictures, and is audited and attacked: several minutes per method on a CPU. Finished rows "
        "appear in the table at once, for you only.",
        "每个方法在模型副本上遗忘该任务，就新图片回答问题，并受到审计和攻击："
        "在 CPU 上每个方法数分钟。完成的行立即出现在表中，仅您可见。"),
    "bench_run.methods": ("Methods (add @encoder to change the scope)",
                       "方法（加 @encoder 可改变范围）"),
    "bench_run.task": ("Task (separate names with commas)", "任务（名称用逗号分隔）"),
    "bench_run.steps": ("Steps (0 = default)", "步数（0 = 默认）"),
    "bench_run.run": ("Run", "运行"),
    # About
    "about.what": ("What it does", "它做什么"),
    "about.does": (
        "A short session removes a concept, a thing or a person, from the <b>vision encoder</b> of "
        "a vision-language model; the language model stays as it was. You put the same question to "
        "the original and to the unlearned model, side by side. An audit then looks for what is "
        "left, and you download the adapter.",
        "一次短训练从视觉语言模型的<b>视觉编码器</b>中移除一个概念（物体或人物），语言模型保持不变。"
        "您可以就同一张图片向原模型和遗忘后的模型提出同一个问题，并排比较回答。"
        "随后审计会查找残留的信息，您可以下载适配器。"),
    "about.how": ("How it works", "工作原理"),
    "about.picture": ("Picture", "图片"),
    "about.encoder": ("Vision encoder", "视觉编码器"),
    "about.adapter": ("+ adapter (LoRA)", "+ 适配器（LoRA）"),
    "about.projector": ("Projector", "投影层"),
    "about.decoder": ("Decoder", "解码器"),
    "about.frozen": ("frozen", "冻结"),
    "about.answers": ("Answers", "回答"),
    "about.sampled": ("several, sampled", "采样多个"),
    "about.rewards": ("Rule-based rewards", "基于规则的奖励"),
    "about.forget": ("the name is not said", "不说出名称"),
    "about.abstraction": ("the category is said instead", "改说更一般的类别"),
    "about.retain": ("other things keep their names", "其他事物仍能说对"),
    "about.stage1": (
        "Stage 1: the general word is taught; other pictures keep their image tokens",
        "阶段一：教会更一般的词；其他图片的图像特征保持不变"),
    "about.stage2": (
        "Stage 2 (GRPO): answers that earn more become more likely",
        "阶段二（GRPO）：得分更高的回答变得更可能"),
    "about.alt": (
        "A picture goes through the vision encoder with its adapter, the projector and the frozen "
        "decoder, which answers. Rules reward answers that do not say the forgotten name, that say "
        "the category instead, and that still name other things. The rewards change only the "
        "adapter. "
        "Stage 1 teaches the general word, stage 2 reinforces what earns more.",
        "图片经过带适配器的视觉编码器、投影层和冻结的解码器，得到回答。规则奖励：不说出被遗忘的名称、"
        "改说类别、其他事物仍能说对。奖励只改变适配器。阶段一教会更一般的词，阶段二强化得分更高的回答。"),
    "about.limits": ("What it can't do", "它做不到什么"),
    "about.limit1": (
        "Answers that no longer name a concept do not prove that the encoder lost it: the Audit "
        "tab shows what is left.",
        "回答中不再出现某个概念，并不证明编码器已经失去它：残留的信息见“审计”。"),
    "about.limit2": (
        "The audit covers only the attacks it runs. <i>Nothing found</i> means that none of them "
        "found anything, and no more.",
        "审计只包含它实施的攻击。“未发现泄漏”仅表示这些攻击都没有发现问题。"),
    "about.limit3": ("An adapter is a switch: whoever has it can take it off.",
                     "适配器只是一个开关：持有者可以把它取下。"),
    "about.limit4": (
        "The bundled model knows a small drawn world of {things} kinds of things and {people} "
        "invented people. It does not understand photographs.",
        "自带模型只认识一个手绘的小世界：{things} 类物体和 {people} 个虚构人物。"
        "它不理解真实照片。"),
    "about.sources": ("Sources", "来源"),
    "about.method": ("the method", "方法"),
    "about.rl": ("the reinforcement learning", "强化学习"),
    "about.lora": ("the adapter type", "适配器类型"),
    "about.model": ("Model and adapters here", "本机的模型与适配器"),
    "about.parameters": ("{n} M parameters", "{n} 百万参数"),
    "about.licence": ("Licence", "许可证"),
    "about.versions": ("Versions", "版本"),
}
# fmt: on
I18N = gr.I18n(**{lang: {k: v[i] for k, v in TEXTS.items()} for i, lang in enumerate(LANGUAGES)})


def t(key: str) -> str:
    """A text for a component, to be translated in the page."""
    if key not in TEXTS:
        raise KeyError(f"no text '{key}'")
    return marker(key)


def marker(key: str) -> str:
    """What Gradio's page replaces by the text or fragment of this name; one a string."""
    return str(I18N(key))


def waiting(key: str) -> str:
    """A placeholder for something that is still being made."""
    return f'<div class="empty">{t(key)}</div>'


def say(key: str, language: str, **values: object) -> str:
    """A text in one language."""
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def translations(fragments: Mapping[str, Callable[[str], str]]) -> gr.I18n:
    """All texts, and HTML fragments that are made once in each language."""
    return gr.I18n(
        **{
            lang: texts | {name: made(lang) for name, made in fragments.items()}
            for lang, texts in I18N.translations.items()
        }
    )
