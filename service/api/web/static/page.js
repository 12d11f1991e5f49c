/* What the page knows (photos, models, options) and what happens when any of it changes. */

import { classify, classifyPath, curlWords, describeModel, listModels, Problem } from "./api.js";
import {
  byId, explainPreview, keyOf, labelThumbnail, nameClasses, sharedLabels, showAbout, showAnswer, showChosen, showCoverages,
  showCurl, showHeatmap, showModels, showMoved, showPhoto, showProblem, showTopK, showUpload, spoken, spokenNew,
  spokenUpload, summary, thumbnail, whyMoved,
} from "./view.js";

const MAX_PHOTOS = 24;
const AT_A_TIME = 2;
const POLL_MS = 5000; // between two looks at the list of models while the page is seen
const CHANGING_MS = 2000; // the same while a version is on its way in or out
const MOST_TAGS = 100; // classes to ask for where any number may be present
const LONG_UPLOAD_MS = 400; // a shorter one is over before its progress could be read

/*
 * A photo is { file, url, thumbnail, model, outcome, request, upload }. `model` answers it: the one that was chosen when
 * the photo came or when it was last asked again; null is the server's default. A version that is gone keeps its
 * answers; what is asked next goes to its successor. `upload`: { sent, total } in bytes while an upload takes long.
 * `outcome`, `request` and `upload` may be null.
 */
let photos = [];
let selected = null;
let list = { models: [], default_model: null }; // as the server last gave it
let model = null; // the chosen one; null until the list is here
let picked = false; // a person chose it, so that it stays although another one becomes the default
let moved = ""; // why another model than before is asked
let choosing = false; // a model is chosen and not yet described: its options are not known
const details = new Map(); // by name and version, as in "imagenet/1"

/* --- classifying ----------------------------------------------------------------------------------------------- */

const wanted = { topK: 5, coverage: "", heatmap: false }; // the options as chosen; a model may not offer them all

function wantedPath({ model }) {
  const detail = detailOf(model);
  const most = detail?.task === "multilabel" ? MOST_TAGS : wanted.topK;
  return classifyPath(model, {
    topK: Math.min(most, model?.classes ?? most),
    coverage: detail?.coverages.includes(Number(wanted.coverage)) ? wanted.coverage : "",
    heatmap: wanted.heatmap && detail?.heatmap,
  });
}

/** The selected photo is kept up to date, the others are answered once and again when they are looked at. */
const isDue = (photo) =>
  !photo.request && (photo === selected ? photo.outcome?.path !== wantedPath(photo) : !photo.outcome);

function work() {
  if (choosing) return;
  const due = [selected, ...photos].filter((photo) => photo && isDue(photo));
  const running = photos.filter((photo) => photo.request).length;
  if (due.length && (running < AT_A_TIME || due[0] === selected)) {
    ask(due[0]);
    work();
  }
}

async function ask(photo) {
  if (isGone(photo.model)) photo.model = successor(photo.model);
  const request = new AbortController();
  const path = wantedPath(photo);
  const labels = detailOf(photo.model)?.labels;
  const late = performance.now() + LONG_UPLOAD_MS;
  const onUpload = (sent, total) => {
    if (photo.request === request && performance.now() > late) uploading(photo, sent < total ? { sent, total } : null);
  };
  photo.request = request;
  render();
  let outcome;
  try {
    outcome = await classify(photo.file, path, { signal: request.signal, onUpload });
    nameClasses(outcome.result, sharedLabels(labels ?? outcome.result.predictions.map((each) => each.label)));
  } catch (error) {
    outcome = { problem: error instanceof Problem ? error : unexpected(error) };
  }
  if (photo.request !== request) return; // a newer question took its place
  Object.assign(photo, { request: null, upload: null, outcome: { ...outcome, path } });
  if (photo === selected) byId.status.textContent = spoken(photo.outcome);
  render();
  work();
  const outOfDate = [404, 503].includes(photo.outcome.problem?.status);
  if (outOfDate || !photos.some((each) => each.request)) refreshModels();
}

const unexpected = (error) => new Problem({ title: "The page made a mistake", detail: String(error), status: -1 });

/** Remember how far an upload is, and say once that it takes a while. */
function uploading(photo, upload) {
  if (photo === selected && upload && !photo.upload) byId.status.textContent = spokenUpload(upload);
  photo.upload = upload;
  render();
}

function drop(photo) {
  photo.request?.abort();
  Object.assign(photo, { request: null, upload: null });
}

/** Have `photo` answered by `next`, at once or when its turn comes. */
function assign(photo, next) {
  drop(photo);
  photo.model = next;
  if (photo.outcome?.problem?.passing) photo.outcome = null;
}

function want(option) {
  Object.assign(wanted, option);
  photos.forEach(drop);
  shown = null; // the same answer may be shown with more or fewer classes
  work();
  render();
}

/* --- photos ---------------------------------------------------------------------------------------------------- */

function add(files) {
  const added = [...files].slice(0, MAX_PHOTOS).map((file) => {
    const photo = { file, url: URL.createObjectURL(file), model, outcome: null, request: null, upload: null };
    photo.thumbnail = thumbnail(photo, { onSelect: () => select(photo), onRemove: () => remove(photo) });
    return photo;
  });
  if (added.length === 0) return note("There was no photo in that. Copy, drag or choose an image itself.");
  if (files.length > MAX_PHOTOS) note(`Only the first ${MAX_PHOTOS} photos were taken.`);
  photos = [...photos, ...added];
  for (const old of photos.splice(0, Math.max(0, photos.length - MAX_PHOTOS))) forget(old);
  byId.strip.append(...added.map((photo) => photo.thumbnail));
  select(added[0]);
}

function forget(photo) {
  drop(photo);
  photo.thumbnail.remove();
  URL.revokeObjectURL(photo.url);
}

/** Show a photo, with the model that answers it. */
function select(photo) {
  selected = photo;
  showPhoto(photo);
  photo.thumbnail.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (isOfAnother(photo)) choose(successor(photo.model));
  if (!isDue(photo) && photo.outcome) byId.status.textContent = spoken(photo.outcome);
  work();
  render();
}

/** Remove a photo; the next one, else the one before it, takes its place and the focus. */
function remove(photo) {
  const place = photos.indexOf(photo);
  photos.splice(place, 1);
  forget(photo);
  const near = photos[Math.min(place, photos.length - 1)];
  if (near && photo === selected) select(near);
  if (!near) {
    selected = null;
    showPhoto(null);
  }
  work();
  render();
  (photos.length > 1 ? near.thumbnail.firstChild : byId.file).focus();
  byId.status.textContent = `${photo.file.name} was removed.`;
}

let fading;
function note(text) {
  byId.status.textContent = byId.note.textContent = text;
  byId.note.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { byId.note.hidden = true; }, 5000);
}

/* --- models ---------------------------------------------------------------------------------------------------- */

let refreshing = null;
let polling;

/** Follow the list of models; it changes while the page is open. */
function refreshModels() {
  refreshing ??= takeList().finally(() => {
    refreshing = null;
    clearTimeout(polling);
    const changing = list.models.length === 0 || list.models.some(({ state }) => !["ready", "failed"].includes(state));
    if (!document.hidden) polling = setTimeout(refreshModels, changing ? CHANGING_MS : POLL_MS);
  });
}

async function takeList() {
  let next;
  try {
    next = await listModels();
  } catch (problem) {
    if (selected) return;
    showProblem(problem);
    byId.problem.hidden = false;
    return;
  }
  const before = list;
  list = next;
  if (JSON.stringify(before) !== JSON.stringify(list)) await follow(before);
  askAgain(before);
  render();
  work();
}

/** Show a list that differs from the one `before`, and choose another model where the present one is not to be used. */
async function follow(before) {
  for (const each of list.models) if (each.state !== "ready") details.delete(keyOf(each)); // it may become another one
  showModels(list);
  const [old, next] = [model, nextModel(before)];
  const other = old && next && keyOf(old) !== keyOf(next);
  if (other) {
    picked = false;
    moved = whyMoved(old, next, isGone(old));
  }
  if (old) tell([other ? moved : "", spokenNew(before, list, other ? next : null)]);
  if (!next || JSON.stringify(next) === JSON.stringify(old)) return showChosen(list.models, model);
  await choose(next);
}

/** The chosen model as it is now; the default one where nobody chose another; the successor of one that is gone. */
function nextModel(before) {
  const home = firstChoice(before);
  const atHome = !model || (!picked && home && keyOf(home) === keyOf(model));
  const first = firstChoice(list);
  if (!model || (atHome && first?.state === "ready")) return first;
  return current(successor(model)) ?? first;
}

/** Put the questions again that failed because their version was not ready, or is gone. */
function askAgain(before) {
  for (const photo of photos) {
    if (photo.request || photo.outcome?.result) continue;
    const wasReady = before.models.some((each) => photo.model && keyOf(each) === keyOf(photo.model) && each.state === "ready");
    if (!photo.model) assign(photo, model);
    else if (isGone(photo.model)) Object.assign(photo, { model: successor(photo.model), outcome: null });
    else if (!wasReady && current(photo.model).state === "ready") assign(photo, current(photo.model));
  }
}

/** Say what has changed; nothing where nothing has. */
function tell(sentences) {
  const text = sentences.filter(Boolean).join(" ");
  if (text) byId.status.textContent = text;
}

function firstChoice({ models, default_model: name }) {
  const rank = (each) => (each.state === "ready" ? 4 : 0) + (each.name === name ? 2 : 0) + (each.default ? 1 : 0);
  return models.toSorted((a, b) => rank(b) - rank(a))[0] ?? null;
}

/** A version as it is now; undefined where the server no longer has it. */
const current = ({ name, version }) => list.models.find((each) => each.name === name && each.version === version);

/** Whether a version takes no more questions, as it is retiring or gone. */
const isGone = (model) => Boolean(model) && ["retiring", undefined].includes(current(model)?.state);

/** The version that is asked in place of this one: itself unless it is gone, else the default one of its model. */
function successor(model) {
  if (!isGone(model)) return model;
  const same = list.models.find((each) => each.name === model.name && each.default && each.state === "ready");
  return same ?? firstChoice(list);
}

/** Choose a model for the photo that is shown, those that have no answer yet, and those to come. */
function pick(next) {
  [picked, moved] = [true, ""];
  for (const photo of photos) if (photo === selected || !photo.outcome?.result) assign(photo, next);
  choose(next);
}

/** Show a model and what it offers. */
async function choose(next) {
  model = next;
  choosing = true;
  showChosen(list.models, next);
  render();
  const detail = await describe(next);
  if (model !== next) return; // another one was chosen meanwhile
  choosing = false;
  byId.explain.disabled = !detail?.heatmap;
  byId.explain.parentElement.title = detail && !detail.heatmap ? "This model has no heatmap" : "";
  showCoverages(detail?.coverages ?? [], wanted.coverage);
  showTopK(next.classes, wanted.topK);
  showAbout(next, detail);
  shown = null; // its answer may be shown with more or fewer classes
  work();
  render();
}

/** What is known of a model so far; undefined or null where nothing is. */
const detailOf = (model) => (model ? details.get(keyOf(model)) : null);

/** Null while it is not ready, or when the server does not say. */
async function describe(model) {
  if (model.state !== "ready") return null;
  const key = keyOf(model);
  if (!details.has(key)) details.set(key, await describeModel(model).catch(() => null));
  return details.get(key);
}

/* --- what is seen ---------------------------------------------------------------------------------------------- */

function render() {
  const outcome = selected?.outcome ?? null;
  const upload = selected?.upload ?? null;
  const answerers = new Set(photos.filter(({ outcome }) => outcome?.result).map(({ outcome }) => `${outcome.model}/${outcome.version}`));
  const busy = Boolean(selected && (selected.request || choosing));
  document.body.classList.toggle("empty", !selected);
  document.body.classList.toggle("busy", busy);
  document.body.classList.toggle("pending", busy && !outcome);
  byId.strip.hidden = photos.length < 2;
  byId.remove.hidden = photos.length !== 1;
  byId.read.ariaBusy = String(busy);
  showUpload(upload);
  offerAll();
  byId["sample-line"].hidden = Boolean(selected);
  byId.repeat.hidden = !selected;
  byId.waiting.textContent = busy ? "Looking …" : "The classes appear here, most probable first.";
  byId.answer.hidden = outcome ? !outcome.result : !busy || byId.answer.hidden;
  byId.waiting.hidden = Boolean(outcome || upload) || !byId.answer.hidden;
  if (selected) byId.problem.hidden = !outcome?.problem;
  else if (list.models.length) byId.problem.hidden = true;
  showMoved(selected?.outcome?.result && isGone(selected.model) ? whyMoved(selected.model, model, true) : moved);
  if (outcome !== shown) show(outcome);
  if (selected) {
    explainPreview(selected);
    const asked = isGone(selected.model) ? { model } : selected;
    const words = curlWords(selected.file.name, (asked === selected && outcome?.path) || wantedPath(asked));
    showCurl(words, detailOf(selected.model)?.task === "multilabel");
  }
  const named = answerers.size > 1;
  byId.strip.classList.toggle("named", named);
  for (const photo of photos) labelThumbnail(photo, { current: photo === selected, named });
}

const isOfAnother = (photo) => photo.model && keyOf(photo.model) !== keyOf(model);

/** Offer the chosen model for all photos, where another one answered some of them. */
function offerAll() {
  byId.others.hidden = !photos.some(isOfAnother);
  if (byId.others.hidden) return;
  const which = photos.length === 1 ? "this photo" : `all ${photos.length} photos`;
  byId["ask-all"].textContent = `Ask ${keyOf(model)} about ${which}`;
}

let shown = null;
function show(outcome) {
  shown = outcome;
  showHeatmap(outcome?.result);
  if (outcome?.problem) showProblem(outcome.problem);
  if (outcome?.result) showAnswer(outcome, Number(byId["top-k"].value));
  document.title = outcome?.result ? `${summary(outcome.result)} – Snellen` : "Snellen";
}

/* --- what people do -------------------------------------------------------------------------------------------- */

byId.file.addEventListener("change", () => {
  add(byId.file.files);
  byId.file.value = ""; // so that the same file can be chosen again
});

byId.file.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return; // Chromium opens the chooser on Space only
  event.preventDefault();
  byId.file.click();
});

document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));

let inside = 0; // dragenter and dragleave also fire for every child
const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].some((type) => type === "Files" || type === "text/uri-list");
function dragging(change) {
  inside = change === 0 ? 0 : Math.max(0, inside + change);
  byId.veil.hidden = inside === 0;
}
document.addEventListener("dragenter", (event) => hasFiles(event) && dragging(+1));
document.addEventListener("dragleave", (event) => hasFiles(event) && dragging(-1));
document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dragging(0);
  add(event.dataTransfer?.files ?? []);
});

byId.model.addEventListener("change", () => pick(list.models.find((each) => keyOf(each) === byId.model.value)));
byId.remove.addEventListener("click", () => remove(selected));
byId["ask-all"].addEventListener("click", () => {
  moved = "";
  for (const photo of photos.filter(isOfAnother)) {
    assign(photo, model);
    photo.outcome = null;
  }
  work();
  render();
  byId.model.focus(); // the button is gone
});
byId["top-k"].addEventListener("change", () => want({ topK: Number(byId["top-k"].value) }));
byId.coverage.addEventListener("change", () => want({ coverage: byId.coverage.value }));
byId.explain.addEventListener("change", () => want({ heatmap: byId.explain.checked }));

byId.retry.addEventListener("click", () => {
  if (selected) selected.outcome = null;
  refreshModels();
  work();
});

byId.sample.addEventListener("click", async () => {
  const photo = await fetch("page/sample.jpg");
  add([new File([await photo.blob()], "sample.jpg", { type: "image/jpeg" })]);
});

byId.copy.addEventListener("click", async () => {
  getSelection().selectAllChildren(byId.curl);
  try {
    await navigator.clipboard.writeText(byId.curl.textContent); // secure contexts only
  } catch {
    document.execCommand("copy");
  }
  byId.copy.textContent = byId.status.textContent = "Copied";
  setTimeout(() => { byId.copy.textContent = "Copy"; }, 1500);
});

document.addEventListener("visibilitychange", () => {
  clearTimeout(polling);
  if (!document.hidden) refreshModels();
});

render();
refreshModels();
