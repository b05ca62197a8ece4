"""Phrases that the server says while somebody uses the app, in Chinese: states, tables, messages.

A script in the page's head replaces the English in a browser that reads Chinese; all others,
commands and the API see English. Answers of models stay as they are. `{...}` stands for a value.
Texts that are there from the beginning are in `catalogue.py`.
"""

from __future__ import annotations

import json

from hfru_core.studio.i18n.catalogue import LANGUAGES

# fmt: off
PHRASES: dict[str, str] = {
    # answers
    "Original": "原模型",
    "Unlearned": "遗忘后",
    "the model as it was": "未经改动的模型",
    "no adapter chosen": "未选择适配器",
    "has forgotten: {names}": "已遗忘：{names}",
    "same answer as the original": "与原模型的回答相同",
    "says the category": "说出类别",
    "says or confirms the name": "说出或确认了名称",
    "names something that is not there": "说出了图中没有的东西",
    "Finish a session in the Unlearn tab, then compare here.":
        "先在“遗忘”页完成一次训练，再来这里比较。",
    "not asked": "未提问",
    "This is none of the questions that the model was taught: the answer may be a guess, and is "
    "not judged.": "模型没有学过这类问题：回答可能只是猜测，因此不作评判。",
    "The question has no words: choose one of the buttons, or ask in simple English.":
        "问题中没有单词：请点选一个按钮，或用简单的英语提问。",
    "The model was not taught the words: {words}. Choose one of the buttons, or ask in simple "
    "English.": "模型没有学过这些词：{words}。请点选一个按钮，或用简单的英语提问。",
    "The model knows drawn pictures alone, and this does not look like one of them: it is not "
    "asked, since its answer would mean nothing.":
        "模型只认识绘制的图片，而这张看起来不是：它的回答没有意义，因此不提问。",
    "This looks like nothing that the model was taught (photographs, paintings, cartoons and "
    "sketches of things): the answer may be a guess, and is not judged.":
        "这张图片与模型学过的内容（事物的照片、绘画、卡通和素描）都不相像：回答可能只是猜测，因此不作评判。",
    "This adapter was made for another model than the one that answers about such pictures. "
    "Choose one that fits, or make one in the Unlearn tab.":
        "此适配器属于另一个模型，而不是回答这类图片的模型。请选择适合的适配器，或在“遗忘”页训练一个。",
    "This adapter was made from photographs, and none come with the app: ask about a picture of "
    "your own in Compare.":
        "此适配器由照片训练而成，应用不附带照片：请在“对比”页就您自己的图片提问。",
    "No adapter yet: make one in the Unlearn tab.": "还没有适配器：请先在“遗忘”页训练一个。",
    "comes with scikit-learn, made smaller": "随 scikit-learn 提供，已缩小",
    "Photographs: their model, photo, will forget it.": "照片：将由识别照片的模型 photo 来遗忘。",
    "Drawn pictures: the model of the drawn world will forget it.":
        "绘制的图片：将由绘制世界的模型来遗忘。",
    "The model of this app will forget it.": "将由此应用的模型来遗忘。",
    "Picture": "图片",
    "to forget": "要遗忘",
    "to keep": "要保留",
    "Last check": "最近一次检查",
    "The same pictures: before, and at the last check": "同样的图片：训练之前与最近一次检查",
    "says the name": "说出名称",
    "makes up a name": "编造名称",
    "other things still named correctly": "其他事物仍能说对",
    "{was} → {now} of {n}": "{was} → {now}，共 {n} 个回答",
    # rates
    "Measure": "指标",
    "Before": "之前",
    "After": "之后",
    "95 % interval": "95 % 区间",
    "Answers": "回答数",
    "not measured": "未测量",
    "Forgotten": "遗忘",
    "answers about pictures of the concept that do not name it":
        "关于该概念图片的回答中没有说出它的",
    "Hallucinated": "幻觉",
    "answers that name something that is not there": "说出图中没有的东西的回答",
    "Abstracted": "抽象",
    "answers that say the category instead of the name": "说出类别而非名称的回答",
    "Attributes kept": "属性保留",
    "true colours, places and clothes still mentioned": "仍能说对的颜色、地点和衣着",
    "Other things kept": "其他事物保留",
    "correct names for all other pictures": "所有其他图片上说对的名称",
    "Text facts kept": "文字知识保留",
    "text-only questions answered as before": "回答与之前一致的纯文字问题",
    "Profile answers": "人物档案回答",
    "short questions about forgotten people's lives answered correctly":
        "对被遗忘者生平的简短问题仍答对的比例",
    "Other profiles kept": "他人档案保留",
    "the same questions about other people": "同样的问题，关于其他人",
    "Refusals": "拒答",
    "answers that decline": "拒绝回答",
    "Broken answers": "无效回答",
    "answers that are empty or repeat themselves": "空的或自我重复的回答",
    "Measured on new pictures that the session did not train on. An adapter is a switch, not a "
    "deletion: whoever has it can take it off.":
        "在训练中未用过的新图片上测量。适配器只是开关，不是删除：持有者可以把它取下。",
    "{kept} is kept. Measured on the session's validation pictures because you stopped early: too "
    "optimistic.":
        "保留的是：{kept}。因提前停止，在训练的验证图片上测量：结果偏乐观。",
    "Measured on the session's validation pictures. Audit it to learn more.":
        "在训练的验证图片上测量。要了解更多，请审计。",
    # states
    "Waiting": "等待中",
    "for the machine; one session runs at a time": "等待机器空闲；同一时间只运行一次训练",
    "for the machine; one run, audit or session at a time":
        "等待机器空闲；同一时间只运行一次基准、审计或训练",
    "Preparing": "准备中",
    "Starting": "启动中",
    "asking the original model, that of photographs": "正在询问原来的照片模型",
    "drawing pictures and asking the original model": "正在绘制图片并询问原模型",
    "Stage 1: breaking the visual link": "阶段一：切断视觉关联",
    "Stage 2: reinforcement": "阶段二：强化学习",
    "step {step} of {of} · about {time} left": "第 {step} 步，共 {of} 步 · 约剩 {time}",
    "step {step} of {of} · {time}": "第 {step} 步，共 {of} 步 · {time}",
    "Adapter saved": "适配器已保存",
    "Judging the result": "正在评估结果",
    "answers to pictures that it never saw": "回答它从未见过的图片",
    "half done": "完成一半",
    "Done": "完成",
    "the report is open": "报告已打开",
    "Stopping": "正在停止",
    "the best adapter so far is kept": "保留目前最好的适配器",
    "Stopped": "已停止",
    "before the first step": "在第一步之前",
    "before it began": "在开始之前",
    "what was finished stays in the table": "已完成的结果保留在表中",
    "Not finished": "未完成",
    "{done} of {of} steps done": "已完成 {done} 步，共 {of} 步",
    "Added. You can now use it in Compare and Audit.":
        "已加入。现在可以在“对比”和“审计”中使用它。",
    "Rewards and checks": "奖励与检查",
    "Loss and KL": "损失与 KL",
    "1 · disrupt": "1 · 切断",
    "2 · reinforce": "2 · 强化",
    "check score": "检查得分",
    # audits
    "No report is open": "尚未打开报告",
    "Choose a finished report, or audit an adapter. You will see what the model still says, what "
    "its encoder still holds and what comes back after an attack, each beside the original model "
    "and one that never saw the concept.":
        "选择一份已完成的报告，或审计一个适配器。您会看到模型还会说什么、编码器还保留什么、"
        "攻击之后什么会恢复；每一项都与原模型和从未见过该概念的模型并列。",
    "An audit is under way": "审计正在进行",
    "Its report opens here when it is done. Finished ones can be chosen from the list.":
        "完成后报告会在这里打开。已完成的报告可从列表中选择。",
    "Does it still say it?": "它还会说出来吗？",
    "Is it still inside?": "它还在里面吗？",
    "Does it come back?": "它会恢复吗？",
    "Did it lose anything else?": "还失去了别的吗？",
    "Yes": "是", "No sign": "没有迹象", "Not decided": "无法判定",
    "; to forget: {names}": "；应当遗忘：{names}",
    "leak": "泄漏", "clear": "干净", "damaged": "受损", "inconclusive": "无法判定",
    "borderline": "临界", "Borderline": "临界",
    "Leak found": "发现泄漏", "Nothing found": "未发现泄漏",
    "Damaged": "模型受损", "Inconclusive": "无法判定",
    "unlearned": "遗忘后", "base": "原模型", "oracle": "参照（从未见过）",
    "No attack that was run found the concept: all that was weighed lies below its threshold.":
        "已运行的攻击都没有找到该概念：所有参与判定的结果都低于阈值。",
    "Something lies clearly beyond a model that never saw the concept, and below the threshold of "
    "a leak or of damage.":
        "有结果明显高于从未见过该概念的模型，但未达到泄漏或受损的阈值。",
    "The unlearned model still knows or reveals the concept.":
        "遗忘后的模型仍然知道或透露该概念。",
    "No leak was found, but the model lost more than the concept.":
        "没有发现泄漏，但模型失去的不只是该概念。",
    "The audit cannot tell. That does not mean that nothing is left.":
        "审计无法判定：这并不表示没有残留。",
    "Evidence for the verdict": "判定依据",
    "for information": "仅供参考",
    "lower is better": "越低越好",
    "higher is better": "越高越好",
    # adapters
    "forgotten": "已遗忘",
    "Base model": "基础模型",
    "Made by": "训练方法",
    "Made of": "组成",
    "Weights": "权重",
    "Pulled from": "来源",
    "not audited": "未审计",
    "Measured on the session's validation pictures.": "在训练的验证图片上测量。",
    # benchmark
    "Method": "方法",
    "Audit": "审计",
    "Nothing is left": "没有剩下任何结果",
    "No run passes these filters.": "没有运行符合这些筛选条件。",
    "Retained": "保留", "Attributes": "属性", "Facts": "文字知识", "Refused": "拒答",
    "Probe": "探针", "In 4 bits": "4 位量化", "In context": "上下文",
    "Back after 4-8 steps": "4-8 步后恢复", "Steps until half is back": "恢复一半所需步数",
    "Time": "时间", "Memory": "内存", "Same wording": "相同用词", "Broken": "无效",
    "Variant": "变体", "Scope": "范围", "Tasks": "任务", "Seeds": "种子",
    "Training budget": "训练预算", "Forget set": "遗忘集", "Pictures": "图片", "Steps": "步数",
    "Audit took": "审计用时",
    "Audits failed": "失败的审计", "Failed": "失败", "Evidence": "依据",
    "method default": "方法默认",
    "equal time": "相同时间",
    "custom steps": "指定步数",
    "standard": "标准", "with common words in the questions": "问题中带常用词",
    "one picture each": "每个概念一张图片", "without names and faces": "不含名字和面孔",
    "Retrained oracle": "重新训练的参照模型",
    "Output filter": "输出过滤器",
    "Click a row of the table for its details and the command that reproduces it.":
        "点击表中的一行，查看其详情和复现它的命令。",
    # messages
    "Please note": "请注意",
    "Type a question, or choose one of the buttons.":
        "请输入问题，或点选一个按钮。",
    "Choose at least one thing or person to forget.": "请至少选择一个要遗忘的物体或人物。",
    "Choose at least one method to run.": "请至少选择一个要运行的方法。",
    "A session of yours is under way: wait for it, or stop it first.":
        "您有一次训练正在进行：请等待其完成，或先停止它。",
    "A run of yours is under way: stop it first.": "您有一次基准正在进行：请先停止它。",
    "An audit of yours is under way: stop it first.": "您有一次审计正在进行：请先停止它。",
    "There is no adapter to audit: make one in the Unlearn tab.":
        "没有可审计的适配器：请先在“遗忘”页训练一个。",
    "No adapter is chosen: choose one in the list first.": "未选择适配器：请先在列表中选择一个。",
    "That adapter is no longer here: reload the page and choose again.":
        "该适配器已不在这里：请重新加载页面再选择。",
    "That session is no longer here: reload the page and choose again.":
        "该训练已不在这里：请重新加载页面再选择。",
    "The disk of this machine is full: nothing could be kept. What was finished is still there.":
        "本机磁盘已满：无法保存任何内容。已完成的内容仍在。",
    "It ended by an error of this app; its log tells more.":
        "因本应用的错误而结束；详情见日志。",
}
# fmt: on
SCRIPT = """<script>
(() => {
  if (navigator.language !== %s) return;
  const exact = new Map(), patterns = [];
  for (const [text, other] of Object.entries(%s)) {
    const parts = text.split(/\\{(\\w+)\\}/);
    if (parts.length === 1) { exact.set(text, other); continue; }
    const plain = (p) => p.replace(/[.*+?^${}()|[\\]\\\\]/g, '\\\\$&');
    const source = parts.map((p, i) => i %% 2 ? `(?<${p}>.+?)` : plain(p)).join('');
    patterns.push([new RegExp(`^${source}$`), other]);
  }
  const other = (text) => {
    const [, words, signs] = text.replace(/\\s+/g, ' ').trim().match(/^(.*?)([ :↑↓▾▴]*)$/);
    if (exact.has(words)) return exact.get(words) + signs;
    for (const [pattern, into] of patterns) {
      const found = words.match(pattern);
      if (found) return into.replace(/\\{(\\w+)\\}/g, (_, name) => found.groups[name]) + signs;
    }
  };
  const told = ['title', 'aria-label'];
  const own = '[translate=no], [role=listbox], script, style, textarea, pre';
  const kept = (node) => node && node.closest(own);
  const text = (node) => {
    const into = kept(node.parentElement) ? undefined : other(node.data);
    if (into !== undefined) node.data = node.data.replace(/\\S[^]*\\S|\\S/, () => into);
  };
  const element = (node) => {
    for (const name of told) {
      const now = kept(node) ? null : node.getAttribute(name);
      const into = now ? other(now) : undefined;
      if (into !== undefined) node.setAttribute(name, into);
    }
  };
  const look = (node) => {
    if (node.nodeType === 3) return text(node);
    if (node.nodeType !== 1) return;
    element(node);
    const walk = document.createTreeWalker(node, 5);
    while (walk.nextNode()) (walk.currentNode.nodeType === 3 ? text : element)(walk.currentNode);
  };
  new MutationObserver((changes) => changes.forEach((change) => {
    if (change.type === 'childList') change.addedNodes.forEach(look);
    else if (change.type === 'characterData') text(change.target);
    else element(change.target);
  })).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: told,
  });
})();
</script>"""
HEAD = SCRIPT % (json.dumps(LANGUAGES[1]), json.dumps(PHRASES, ensure_ascii=True))
