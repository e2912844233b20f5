"use strict";
const WORDS = {
  en: {
    model: "Model", question: "Question about the picture", ask: "Ask", choose: "Choose a picture", take: "Take one",
    drop: "Drop a picture here, paste one, or", hint: "Point at a word, or go through them with the arrow keys, to see " +
      "where the model looked.", others: "It could also be", looking: "Looking …", question_first: "Type a question.",
    gone: "The server does not answer. Is it running?", failed: (why) => `The server says: ${why}`, other: "한국어",
    look: (n) => `look ${n}`, score: (s) => `score ${s}`, nothing: "The model says nothing.",
    samples: "or try one of these:", sample: (n) => `sample ${n}`, about: "What this model is", programs: "Ask it from a program",
    copy: "Copy", copied: "Copied.", data: "trained on", limits: "limits", licence: "licence", scores: "scores",
    bad: { empty: "The file is empty.", "too large": "The picture has too many pixels.",
      unreadable: "This is no picture that can be read: JPEG, PNG, GIF, BMP or WebP (neither transparent nor moving) are." },
  },
  ko: {
    model: "모델", question: "사진에 대한 질문", ask: "묻기", choose: "사진 고르기", take: "사진 찍기",
    drop: "사진을 여기에 놓거나 붙여 넣거나", hint: "단어를 가리키거나 화살표 키로 옮겨 가면 모델이 본 곳이 보입니다.",
    others: "다른 후보", looking: "보는 중 …", question_first: "질문을 적어 주세요.",
    gone: "서버가 대답하지 않습니다. 실행 중인가요?", failed: (why) => `서버의 말: ${why}`, other: "English",
    look: (n) => `${n}번째 눈길`, score: (s) => `점수 ${s}`, nothing: "모델이 아무 말도 하지 않습니다.",
    samples: "아니면 이 그림으로 해 보세요.", sample: (n) => `예시 ${n}`, about: "이 모델에 대하여", programs: "프로그램에서 묻기",
    copy: "복사", copied: "복사했습니다.", data: "학습 데이터", limits: "한계", licence: "이용 허락", scores: "점수",
    bad: { empty: "빈 파일입니다.", "too large": "사진의 화소가 너무 많습니다.",
      unreadable: "읽을 수 있는 사진이 아닙니다. JPEG, PNG, GIF, BMP, (투명하거나 움직이지 않는) WebP를 읽습니다." },
  },
};
const $ = (id) => document.getElementById(id);
let language = navigator.language.startsWith("ko") ? "ko" : "en", bytes = null, round = 0;

function speak() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = WORDS[language][each.dataset.word];
  $("language").textContent = WORDS[language].other;
  describe();
}

function describe() { // what the model is, from its card, and how a program asks it
  const { card } = model(), rows = ["data", "limits", "licence"].filter((name) => card[name]).map((name) => [name, card[name]]);
  const scores = Object.entries(card.scores || {}).map(([name, value]) => `${name} ${Number(value.toFixed(2))}`);
  if (scores.length) rows.push(["scores", scores.join(" · ")]);
  $("card").replaceChildren(...rows.flatMap(([name, text]) => [["dt", WORDS[language][name]], ["dd", text]]).map(([tag, text]) => {
    const part = document.createElement(tag);
    part.textContent = text;
    return part;
  }));
  $("about").hidden = !rows.length;
  $("snippet").textContent = PROGRAMS[document.querySelector("[data-program][aria-pressed=true]").dataset.program]();
}

const place = () => (location.protocol === "file:" ? "http://localhost:8501/" : location.href.replace(/[?#].*/, ""));
const address = () => `${place()}v1/models/${encodeURIComponent($("model").value)}:predict`.replace(/'/g, "%27");
const asked = () => model().questions && `"question": [${JSON.stringify($("question").value.trim() || "how many?")}]`;
const result = () => (model().questions ? "answers" : "caption");
const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`; // for a shell
const PROGRAMS = {
  curl: () => {
    const send = `curl -s -H 'Content-Type: application/json' -d @- \\\n  ${quoted(address())}`;
    if (!model().pictures) return `printf %s ${quoted(`{"inputs": {${asked()}}}`)} |\n${send}`;
    const start = quoted('{"inputs": {"image_bytes": [{"b64": "'), end = quoted(`"}]${asked() ? `, ${asked()}` : ""}}}`);
    return `(printf %s ${start}\n base64 < photo.jpg | tr -d '\\n'\n printf %s ${end}) |\n${send}`;
  },
  python: () => [
    "import base64, json, urllib.request", "",
    ...(model().pictures ? ['picture = base64.b64encode(open("photo.jpg", "rb").read()).decode()'] : []),
    `inputs = {${[model().pictures && '"image_bytes": [{"b64": picture}]', asked()].filter(Boolean).join(", ")}}`,
    'body, kind = json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"}',
    "request = urllib.request.Request(", `    "${address()}", body, kind)`,
    `print(json.load(urllib.request.urlopen(request))["outputs"]["${result()}"][0])`,
  ].join("\n"),
};

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function model() { return MODELS[$("model").value]; }

function clear() {
  $("heat").getContext("2d").clearRect(0, 0, 448, 448);
  for (const id of ["words", "answers", "others"]) $(id).replaceChildren();
  for (const id of ["hint", "score", "more"]) $(id).hidden = true;
  $("words").className = "";
}

async function predict(signature, inputs) {
  const body = JSON.stringify({ signature_name: signature, inputs });
  const headers = { "Content-Type": "application/json" };
  const path = `v1/models/${encodeURIComponent($("model").value)}:predict`;
  let reply, content;
  try {
    reply = await fetch(path, { method: "POST", headers, body });
    content = await reply.json();
  } catch (error) {
    throw new Error(reply ? WORDS[language].failed(reply.status) : WORDS[language].gone);
  }
  if (!reply.ok) throw new Error(WORDS[language].failed(content.error));
  return content.outputs;
}

function show(map) {
  const side = Math.round(Math.sqrt(map.length)), canvas = $("heat"), pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (side * side !== map.length || side < 2) return;
  const small = document.createElement("canvas"), most = Math.max(...map);
  small.width = small.height = side;
  const pixels = new ImageData(side, side);
  map.forEach((value, i) => { pixels.data[4 * i + 3] = Math.round(190 * (1 - value / (most || 1))); });
  small.getContext("2d").putImageData(pixels, 0, 0);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}

function wordButton(text, map) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  const look = () => {
    for (const each of $("words").children) each.classList.toggle("on", each === button);
    if (map) show(map);
  };
  button.addEventListener("pointerenter", look);
  button.addEventListener("focus", look);
  return button;
}

async function write(words, maps, separator, mine) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const [i, word] of words.entries()) {
    if (mine !== round) return;
    if (i && separator) $("words").append(separator);
    $("words").append(wordButton(word, maps && maps[i]));
    if (!calm) await new Promise((after) => setTimeout(after, 90));
  }
  $("hint").hidden = !maps;
}

function bars(list, rows) {
  $(list).replaceChildren(...rows.map(([text, share, told]) => {
    const row = document.createElement("li"), bar = document.createElement("i");
    bar.style.width = `${100 * share}%`;
    row.append(bar, ...[text, told].map((each) => {
      const cell = document.createElement("span");
      cell.textContent = each;
      return cell;
    }));
    return row;
  }));
}

async function caption(inputs, looks, mine) {
  const told = await predict(looks ? "attention" : "serving_default", inputs);
  if (mine !== round || told.status[0] !== "ok") return told.status[0];
  const tokens = told.tokens[0].filter((token) => token !== "");
  const separator = tokens.join(" ") === told.caption[0] ? " " : "";
  if (!tokens.length) say(WORDS[language].nothing);
  $("score").hidden = false;
  $("score").textContent = WORDS[language].score(told.score[0].toFixed(2));
  const writing = write(tokens, looks && told.attention[0], separator, mine);
  if (model().signatures.includes("n_best")) {
    const more = await predict("n_best", inputs);
    if (mine !== round) return "ok";
    const rows = more.captions[0].map((text, i) => [text, 0, more.scores[0][i].toFixed(2)]);
    bars("others", rows.filter(([text]) => text && text !== told.caption[0]));
    $("more").hidden = !$("others").children.length;
  }
  await writing;
  return "ok";
}

async function answer(inputs, looks, mine) {
  const told = await predict(looks ? "attention" : "serving_default", inputs);
  if (mine !== round || told.status[0] !== "ok") return told.status[0];
  const rows = told.answers[0].map((text, i) => [text, told.probabilities[0][i]]).filter(([text]) => text);
  bars("answers", rows.map(([text, share]) => [text, share, `${(100 * share).toFixed(1)} %`]));
  if (looks) {
    const maps = told.attention[0];
    if (maps.length > 1) {
      const buttons = maps.map((map, i) => wordButton(WORDS[language].look(i + 1), map));
      $("words").replaceChildren(...buttons);
      $("words").className = "hops";
    }
    show(maps[maps.length - 1]);
  }
  return "ok";
}

async function look() {
  const asks = model().questions, text = $("question").value.trim(), mine = ++round; // answers to others come too late
  if (model().pictures && !bytes) return;
  clear();
  if (asks && !text) { say(WORDS[language].question_first); $("question").focus(); return; }
  const inputs = {}, looks = model().signatures.includes("attention");
  if (model().pictures) inputs.image_bytes = [{ b64: bytes }];
  if (asks) inputs.question = [text];
  say(WORDS[language].looking);
  try {
    const status = await (asks ? answer : caption)(inputs, looks, mine);
    if (mine === round) say(status === "ok" ? "" : WORDS[language].bad[status] || status, status !== "ok");
  } catch (error) {
    if (mine === round) say(error.message, true);
  }
}

function take(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => put(reader.result, URL.createObjectURL(file), file.name);
  reader.readAsDataURL(file);
}

function put(data, source, name) { // a picture as a data: address, and where it is shown from
  bytes = data.slice(data.indexOf(",") + 1);
  if ($("picture").src.startsWith("blob:")) URL.revokeObjectURL($("picture").src);
  $("picture").src = source;
  $("picture").alt = name;
  $("picture").onload = ({ target: { naturalWidth: wide, naturalHeight: high, style } }) => {
    style.minWidth = high < 1.5 * wide ? "min(80vw, 18rem)" : ""; // small pictures are shown large
  };
  $("figure").hidden = false;
  look();
}

function chosen() {
  $("asking").hidden = !model().questions;
  $("drop").hidden = !model().pictures;
  describe();
  look();
}

for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", () => { take($(input).files[0]); $(input).value = ""; });
}
for (const name of ["dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
addEventListener("paste", (event) => take([...event.clipboardData.files][0]));
$("asking").addEventListener("submit", (event) => { event.preventDefault(); look(); });
$("words").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], words = [...$("words").children];
  const next = step && words[words.indexOf(document.activeElement) + step];
  if (next) { next.focus(); event.preventDefault(); }
});
$("language").addEventListener("click", () => { language = language === "en" ? "ko" : "en"; speak(); });
$("model").replaceChildren(...Object.keys(MODELS).map((name) => new Option(name)));
$("model").addEventListener("change", chosen);
$("choice").hidden = Object.keys(MODELS).length < 2;
$("samples").replaceChildren(...SAMPLES.map((data, i) => {
  const button = document.createElement("button"), picture = button.appendChild(new Image());
  button.type = "button";
  picture.src = data;
  picture.alt = WORDS[language].sample(i + 1);
  button.addEventListener("click", () => put(data, data, picture.alt));
  return button;
}));
for (const button of document.querySelectorAll("[data-program]")) {
  button.addEventListener("click", () => {
    for (const each of document.querySelectorAll("[data-program]")) each.setAttribute("aria-pressed", each === button);
    describe();
  });
}
$("question").addEventListener("change", describe);
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("snippet").textContent);
  say(WORDS[language].copied);
});
$("copy").hidden = !navigator.clipboard; // a page that came without encryption from elsewhere has none
speak();
chosen();
