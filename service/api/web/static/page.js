/* What the page knows (photos, models, options) and what happens when any of it changes. */

import { classify, classifyPath, curlWords, describeModel, hasKey, listModels, Problem, useKey } from "./api.js";
import {
  byId, explainPreview, labelThumbnail, nameClasses, sharedLabels, showAbout, showAnswer, showChosen, showCoverages,
  showCurl, showHeatmap, showModels, showPhoto, showProblem, showTopK, showUpload, spoken, spokenUpload, summary,
  thumbnail,
} from "./view.js";

const MAX_PHOTOS = 24;
const AT_A_TIME = 2;
const POLL_MS = 2000;
const MOST_TAGS = 100; // classes to ask for where any number may be present
const LONG_UPLOAD_MS = 400; // a shorter one is over before its progress could be read

/*
 * A photo is { file, url, thumbnail, model, outcome, request, upload }. `model` answers it: the one that was chosen when
 * the photo came or when it was last asked again; null is the server's default. `upload`: { sent, total } in bytes while
 * an upload takes long. `outcome`, `request` and `upload` may be null.
 */
let photos = [];
let selected = null;
let models = [];
let model = null; // the chosen one; null until the list is here
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
  if (outcome.problem?.needsKey) askForKey();
  render();
  work();
}

/** Show the field for an API key. */
function askForKey() {
  if (!byId["key-form"].hidden) return;
  byId["key-form"].hidden = false;
  byId.key.focus();
}

/** Use an API key from now on, and ask again what was refused without it. */
function enterKey(key) {
  useKey(key);
  details.clear();
  for (const photo of photos) if (photo.outcome?.problem?.needsKey) photo.outcome = null;
  refreshModels();
  work();
  render();
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
  if (isOfAnother(photo)) choose(photo.model);
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

async function refreshModels() {
  let list;
  try {
    list = await listModels();
  } catch (problem) {
    if (!selected) showProblem(problem);
    byId.problem.hidden = Boolean(selected) || (problem.status === 401 && !hasKey()); // the form says it too
    if (problem.needsKey) askForKey();
    else pollLater();
    return;
  }
  models = list.models;
  const same = models.find((each) => each.name === model?.name && each.version === model?.version);
  const next = same ?? firstChoice(list);
  if (models.some((each) => ["discovered", "verifying", "warming"].includes(each.state))) pollLater();
  showModels(models);
  showChosen(models, model ?? next);
  if (next && (!same || same.state !== model.state)) {
    const toAsk = (photo) => photo === selected || !photo.model || keyOf(photo.model) === keyOf(next);
    for (const photo of photos.filter(toAsk)) assign(photo, next);
    await choose(next);
  } else render();
}

let polling;
function pollLater() {
  clearTimeout(polling);
  polling = setTimeout(refreshModels, POLL_MS);
}

function firstChoice({ default_model: name }) {
  const rank = (each) => (each.state === "ready" ? 4 : 0) + (each.name === name ? 2 : 0) + (each.default ? 1 : 0);
  return models.toSorted((a, b) => rank(b) - rank(a))[0] ?? null;
}

/** Choose a model for the photo that is shown, those that have no answer yet, and those to come. */
function pick(next) {
  for (const photo of photos) if (photo === selected || !photo.outcome?.result) assign(photo, next);
  choose(next);
}

/** Show a model and what it offers. */
async function choose(next) {
  model = next;
  choosing = true;
  showChosen(models, next);
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

const keyOf = ({ name, version }) => `${name}/${version}`;

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
  else if (models.length) byId.problem.hidden = true;
  if (outcome !== shown) show(outcome);
  if (selected) {
    explainPreview(selected);
    const words = curlWords(selected.file.name, outcome?.path ?? wantedPath(selected));
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
  if (!byId.others.hidden) byId["ask-all"].textContent = `Ask ${keyOf(model)} about all ${photos.length} photos`;
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

byId.model.addEventListener("change", () => pick(models[byId.model.value]));
byId.remove.addEventListener("click", () => remove(selected));
byId["ask-all"].addEventListener("click", () => {
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

byId["key-form"].addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId.key.value.trim();
  byId.key.value = "";
  byId["key-form"].hidden = true;
  enterKey(key);
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

render();
refreshModels();
