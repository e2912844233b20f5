"use strict";
const WORDS = {
  en: {
    caption: "Caption", question: "Question", answer: "Answer",
    place: (at, all) => `${at} of ${all}`, count: (some) => `${some} labelled`,
    next: "Save, next", back: "Back", more: "Another", finish: "Finish", copy: "Copy", done: "End mmtoolkit label",
    keys: "<kbd>Enter</kbd> saves and goes on · <kbd>Shift+Enter</kbd> another one · <kbd>Page Up</kbd> " +
      "<kbd>Page Down</kbd> or <kbd>Alt+←</kbd> <kbd>Alt+→</kbd> back and forth · <kbd>Esc</kbd> what the model said",
    looking: "The model is looking …", says: "The model says:", silent: "The model says nothing.",
    typing: "Not saved yet …", saving: "Saving …", saved: (name, file) => `Saved in ${file}: ${name}`,
    refused: (why) => `Not saved: ${why}`, copied: "Copied.", failed: (why) => why,
    gone: "mmtoolkit label does not answer: it has ended. What you wrote and is not saved stays on this page, and is " +
      "saved when you start it again.",
    locked: "mmtoolkit label was started anew: open the address that it printed. What you wrote and is not saved stays " +
      "on this page, and is saved then.",
    long: (some, most) => `a text has at most ${most} characters, and this one has ${some}; shorten it.`,
    total: (some, all) => `${some} of ${all} pictures are labelled.`, run: "Run next:",
    none: "Nothing is labelled yet: there is nothing to learn from.",
    few: (wanted) => `Fine-tuning wants ${wanted} labelled pictures or more.`,
    ended: "mmtoolkit label has ended. You can close this page.", jump: "Pictures",
    twice: (text) => `“${text}” is there twice.`, elsewhere: (text, name) => `“${text}” is also the text of ${name}.`,
  },
  ko: {
    caption: "설명", question: "질문", answer: "답",
    place: (at, all) => `${all}장 중 ${at}번째`, count: (some) => `${some}장 완료`,
    next: "저장하고 다음", back: "이전", more: "하나 더", finish: "마치기", copy: "복사", done: "mmtoolkit label 끝내기",
    keys: "<kbd>Enter</kbd> 저장하고 다음 · <kbd>Shift+Enter</kbd> 하나 더 · <kbd>Page Up</kbd> <kbd>Page Down</kbd> " +
      "또는 <kbd>Alt+←</kbd> <kbd>Alt+→</kbd> 이전·다음 · <kbd>Esc</kbd> 모델의 제안으로 되돌리기",
    looking: "모델이 보고 있습니다 …", says: "모델의 제안:", silent: "모델의 제안이 없습니다.",
    typing: "아직 저장 전 …", saving: "저장 중 …", saved: (name, file) => `${file}에 저장했습니다: ${name}`,
    refused: (why) => `저장하지 못했습니다: ${why}`, copied: "복사했습니다.", failed: (why) => why,
    gone: "mmtoolkit label이 끝나서 응답이 없습니다. 저장되지 않은 글은 이 페이지에 남아 있고, 다시 시작하면 저장됩니다.",
    locked: "mmtoolkit label이 새로 시작되었습니다. 출력된 주소를 여세요. 저장되지 않은 글은 이 페이지에 남아 있고, 그때 저장됩니다.",
    long: (some, most) => `글은 ${most}자까지 쓸 수 있는데 ${some}자입니다. 줄여 주세요.`,
    total: (some, all) => `사진 ${all}장 중 ${some}장을 마쳤습니다.`, run: "다음에 실행할 명령:",
    none: "아직 저장된 것이 없어서 학습할 수 없습니다.", few: (wanted) => `미세 조정에는 사진이 ${wanted}장 이상 필요합니다.`,
    ended: "mmtoolkit label이 끝났습니다. 이 페이지를 닫아도 됩니다.", jump: "사진 목록",
    twice: (text) => `같은 글이 두 번 있습니다: “${text}”`, elsewhere: (text, name) => `${name}에도 같은 글이 있습니다: “${text}”`,
  },
};
let language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in WORDS) || "en";
let words = WORDS[language]; // of the browser, until it is known what the table is in
const element = (id) => document.getElementById(id);
const BEFORE = 4, SHOWN = 12; // small pictures: before this one, and all
const PAUSE = 300, AGAIN = 1000; // milliseconds: of typing before it is saved; between two tries to reach the server

let start; // what the server said first
let at = 0; // which picture is looked at; after the last one comes the end
let aim = 0; // where the last step leads, which may take a moment
const broken = new Set(); // the places of pictures that cannot be read, once that is known
let turn = 0; // grows with each step, so that an answer that comes late is known to be late
let changed = false; // whether the labels of the picture differ from what is saved or waits to be
let question = ""; // the last one
let proposal = null; // what the model says of the picture, or of the question about it
let current = null; // the entry that is written in
let ended = false;
let pause, again;
const waiting = new Map(); // a picture's name -> labels that are not known to be on disk
let labelled = new Set();

// --- asking the server ---

class Gone extends Error {} // the server has ended ("gone"), or wants another token ("locked")

async function ask(path, fields, body) {
  let reply;
  try {
    const options = body && { method: "POST", body: JSON.stringify(body) };
    if (options) options.headers = { "Content-Type": "application/json" };
    if (options) options.keepalive = options.body.length < 20_000; // browsers send 64 KiB after the page, at most
    reply = await fetch(path + (fields ? `?${new URLSearchParams(fields)}` : ""), options);
  } catch {
    throw new Gone("gone");
  }
  if (reply.status === 403) throw new Gone("locked");
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error);
  return answer;
}

function tell(kind, ...details) {
  const status = element("status");
  status.textContent = kind && (typeof words[kind] === "string" ? words[kind] : words[kind](...details));
  status.className = { saved: "good", gone: "bad", locked: "bad", refused: "bad", failed: "bad" }[kind] || "soft";
}

function lost(error, kind = "failed") {
  if (ended) return;
  tell(error instanceof Gone ? error.message : kind, error.message);
  clearTimeout(again);
  if (error instanceof Gone || waiting.size) again = setTimeout(revive, AGAIN);
}

async function revive() {
  try {
    const fresh = await ask("/start");
    if (!start) return location.reload();
    if (fresh.table !== start.table) throw new Gone("gone");
    tell("");
    if (current) propose();
    await flush();
  } catch (error) {
    lost(error);
  }
}

// --- saving ---

let flushing = null;

function flush() { // one at a time; whoever comes in meanwhile waits for the same
  flushing ||= sendAll().catch(lost).finally(() => { flushing = null; });
  return flushing;
}

async function sendAll() {
  let refused = null;
  while (waiting.size && !refused) {
    for (const [name, labels] of waiting) {
      try {
        await send(name, labels);
      } catch (error) {
        if (error instanceof Gone) throw error;
        refused = new Error(`${name}: ${error.message}`);
      }
    }
  }
  if (refused) lost(refused, "refused");
}

async function send(name, labels) {
  const length = Math.max(0, ...labels.flat().map((text) => [...text].length));
  if (length > start.longest) throw new Error(words.long(length, start.longest));
  tell("saving");
  const answer = await ask("/save", null, { table: start.table, image: name, labels });
  if (waiting.get(name) === labels) waiting.delete(name); // else it was written in meanwhile
  labelled = new Set(answer.labelled);
  progress();
  if (name === start.names[at]) warn(answer.doubled);
  if (!changed) tell("saved", name, start.file);
}

function warn(doubled) { // of texts that are there already
  const texts = doubled.map(([text, name]) => name === start.names[at] ? words.twice(text) : words.elsewhere(text, name));
  element("doubled").textContent = [...new Set(texts)].join(" ");
  element("doubled").hidden = !texts.length;
}

function keep() { // what is written here waits for the server from now on
  clearTimeout(pause);
  if (changed) waiting.set(start.names[at], written());
  changed = false;
}

function written() {
  const own = [...element("entries").children].filter((entry) => entry.dataset.origin !== "proposed");
  return own.map(texts).filter((label) => label.every(Boolean));
}

const texts = (entry) => [...entry.querySelectorAll("textarea")].map((area) => area.value.trim());

function typed(entry) {
  mark(entry, "typed");
  changed = true;
  tell("typing");
  clearTimeout(pause);
  // An emptied label is taken from the table only when its picture is left: a new text may come
  const emptied = [...element("entries").children].some((each) => each.dataset.old && !texts(each).every(Boolean));
  if (!emptied) pause = setTimeout(() => { keep(); flush(); }, PAUSE);
}

function mark(entry, origin) {
  entry.dataset.origin = origin;
  entry.classList.toggle("proposed", origin === "proposed");
}

// --- going from picture to picture ---

function step(by) { // from where the last one leads: keys may come faster than pictures
  let next = aim + by;
  while (broken.has(next)) next += by;
  visit(Math.min(next, start.names.length), by);
}

async function visit(index, by) {
  keep();
  flush();
  const mine = ++turn;
  aim = index;
  try {
    for (; index >= 0 && index < start.names.length; index += by) {
      aim = index;
      const found = await ask("/item", { image: start.names[index] });
      if (mine !== turn) return;
      if (!found.fault) return show(index, found.labels);
      broken.add(index);
      skip(found.fault);
    }
    if (index >= 0) return await showEnd(mine);
    propose(); // there is none before: it goes on here
  } catch (error) {
    if (mine !== turn) return;
    lost(error);
  }
  aim = at;
}

function skip(fault) {
  const known = [...element("skipped").children].some((item) => item.textContent === fault);
  if (!known) element("skipped").appendChild(document.createElement("li")).textContent = fault;
}

function show(index, saved) {
  const name = start.names[index];
  at = index;
  element("work").hidden = false;
  element("end").hidden = true;
  element("picture").src = address(name);
  element("picture").alt = element("name").textContent = name;
  if (start.names[index + 1]) new Image().src = address(start.names[index + 1]);
  element("entries").replaceChildren();
  const labels = waiting.get(name) || saved;
  labels.forEach((label) => add(label, "typed"));
  if (!labels.length) add(start.fields.map((field) => (field === "question" ? question : "")), "proposed");
  focus(element("entries").firstChild);
  warn([]);
  lineUp();
  progress();
}

function lineUp() { // some pictures around this one, to jump to
  const first = Math.max(0, Math.min(at - BEFORE, start.names.length - SHOWN));
  element("strip").hidden = start.names.length < 2;
  element("strip").replaceChildren(...start.names.slice(first, first + SHOWN).map((name, number) => {
    const button = document.createElement("button"), small = button.appendChild(new Image());
    small.src = `${address(name)}&small=1`;
    small.alt = button.title = button.dataset.name = name;
    if (first + number === at) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => visit(first + number, 1));
    return button;
  }));
  const strip = element("strip"), here = strip.querySelector("[aria-current]");
  if (here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
}

const address = (name) => `/picture?${new URLSearchParams({ image: name })}`;

function add(label, origin) {
  const entry = element("entries").appendChild(document.createElement("div"));
  entry.className = "entry";
  start.fields.forEach((field, place) => {
    const area = document.createElement("textarea");
    const title = entry.appendChild(document.createElement("label"));
    title.append(words[field], area);
    area.value = label[place];
    area.rows = start.fields.length > 1 ? 1 : 2;
    area.classList.toggle("last", place === start.fields.length - 1);
    area.addEventListener("focus", () => enter(entry));
    area.addEventListener("input", () => field === "question" ? asking(entry) : typed(entry));
    area.addEventListener("input", showChosen);
    if (field === "question") area.addEventListener("change", () => asked(entry));
  });
  if (label.every(Boolean)) entry.dataset.old = "yes";
  mark(entry, origin);
  return entry;
}

function focus(entry) { // where the next text is missing
  enter(entry);
  const areas = [...entry.querySelectorAll("textarea")];
  const area = areas.find((each) => !each.value) || areas.at(-1);
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}

function enter(entry) {
  if (current === entry) return;
  current = entry;
  propose();
}

function asking(entry) { // a question is being written: what was proposed for another one is no answer
  if (entry.dataset.origin !== "proposed") return typed(entry);
  entry.querySelector(".last").value = "";
}

function asked(entry) {
  question = texts(entry)[0];
  if (current === entry) propose();
}

function next() {
  const [area, last] = [document.activeElement, current.querySelector(".last")];
  if (area !== last && current.contains(area) && !last.value) {
    last.focus(); // from a question to its answer, which the model now looks for
    return;
  }
  for (const entry of element("entries").children) {
    if (texts(entry).every(Boolean)) mark(entry, "typed");
  }
  changed ||= written().length > 0;
  visit(at + 1, 1);
}

function another() {
  if (texts(current).every(Boolean)) typed(current); // what was proposed is taken
  focus(add(start.fields.map(() => ""), "proposed"));
}

function progress() {
  const all = start.names.length;
  element("place").textContent = at < all ? words.place(at + 1, all) : "";
  element("count").textContent = words.count(labelled.size);
  for (const each of element("strip").children) each.classList.toggle("done", labelled.has(each.dataset.name));
}

// --- what the model says ---

async function propose() {
  if (!current) return;
  const mine = [turn, current];
  const asks = start.fields.length > 1 ? texts(current)[0] : "";
  proposal = null;
  element("said").hidden = !start.proposes || (start.fields.length > 1 && !asks);
  if (element("said").hidden) return;
  element("note").textContent = words.looking;
  element("texts").replaceChildren();
  const late = () => ended || mine[0] !== turn || mine[1] !== current ||
    (start.fields.length > 1 && texts(current)[0] !== asks);
  try {
    while (!late()) {
      const answer = await ask("/proposal", { image: start.names[at], question: asks });
      if (late()) return;
      if (answer.ready) return offer(answer);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  } catch (error) {
    if (!late()) lost(error);
  }
}

function offer(answer) {
  proposal = answer;
  const heard = answer.texts.length ? words.says : words.silent;
  element("note").textContent = answer.note ? `${heard} (${answer.note})` : heard;
  element("texts").replaceChildren(...answer.texts.map(([text, probability]) => {
    const button = document.createElement("button");
    button.append(text);
    button.dataset.text = text;
    if (probability !== null) {
      button.appendChild(document.createElement("small")).textContent = `${Math.round(100 * probability)} %`;
    }
    button.addEventListener("click", () => take(text));
    return button;
  }));
  const repeated = start.fields.length === 1 && element("entries").children.length > 1;
  if (current.dataset.origin === "proposed" && !current.querySelector(".last").value && !repeated) putBack();
  showChosen();
}

function showChosen() { // which proposal is the text
  const text = current.querySelector(".last").value.trim();
  for (const each of element("texts").children) each.setAttribute("aria-pressed", each.dataset.text === text);
}

function take(text) {
  const area = current.querySelector(".last");
  area.value = text;
  typed(current);
  showChosen();
  area.focus();
}

function putBack() {
  if (!proposal || !proposal.texts.length) return;
  const [[text]] = proposal.texts;
  if (current.dataset.origin === "proposed") {
    current.querySelector(".last").value = text;
    mark(current, "proposed");
    showChosen();
  } else take(text);
}

// --- the end ---

async function showEnd(mine) {
  await flush();
  const summary = await ask("/summary");
  if (mine !== turn) return;
  at = start.names.length;
  current = null;
  summarise(summary);
  element("work").hidden = element("strip").hidden = true;
  element("end").hidden = false;
  element("done").focus();
}

function summarise(summary) {
  element("total").textContent = words.total(summary.labelled, summary.pictures);
  const few = summary.labelled < summary.wanted ? words.few(summary.wanted) : "";
  element("warning").textContent = summary.labelled ? few : words.none;
  element("command").textContent = summary.command;
  element("run").hidden = element("copy").hidden = !summary.command;
  progress();
}

async function done() {
  if (waiting.size) await flush();
  if (waiting.size) return;
  try {
    summarise(await ask("/done", null, {}));
    ended = true;
    clearTimeout(again);
    element("done").disabled = element("return").disabled = true;
    tell("ended");
  } catch (error) {
    lost(error);
  }
}

async function copy() {
  await navigator.clipboard.writeText(element("command").textContent);
  tell("copied");
}

// --- keys and buttons ---

function onKey(event) {
  if (event.isComposing || event.keyCode === 229 || ended) return; // Enter ends a syllable of Hangul first
  const inText = event.target.tagName !== "BUTTON" && !element("work").hidden;
  const sideways = event.altKey || (event.ctrlKey && !event.key.match(/Left|Right/)); // by words in a text, these two
  if (event.key === "PageUp" || (sideways && /ArrowUp|ArrowLeft/.test(event.key))) step(-1);
  else if (event.key === "PageDown" || (sideways && /ArrowDown|ArrowRight/.test(event.key))) step(1);
  else if (inText && event.key === "Enter" && event.shiftKey) another();
  else if (inText && event.key === "Enter") next();
  else if (event.key === "Escape" && current) putBack();
  else return;
  event.preventDefault();
}

function leave(event) {
  keep();
  if (!waiting.size) return;
  flush();
  event.preventDefault(); // the browser asks whether to close the page
}

async function begin() {
  start = await ask("/start");
  language = start.language || language;
  words = WORDS[language];
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  element("keys").innerHTML = words.keys;
  element("strip").setAttribute("aria-label", words.jump);
  labelled = new Set(start.labelled);
  element("next").addEventListener("click", next);
  element("back").addEventListener("click", () => step(-1));
  element("return").addEventListener("click", () => step(-1));
  element("more").addEventListener("click", another);
  element("finish").addEventListener("click", () => visit(start.names.length, 1));
  element("done").addEventListener("click", done);
  element("copy").addEventListener("click", copy);
  document.addEventListener("keydown", onKey);
  window.addEventListener("beforeunload", leave);
  at = start.names.length; // no picture yet: there is nothing to keep
  await visit(Math.max(0, start.names.findIndex((name) => !labelled.has(name))), 1);
}

begin().catch(lost);
