/* What the page knows (photos, models, options) and what happens when any of it changes. */

import { classify, classifyPath, curlLine, describeModel, listModels, Problem } from "./api.js";
import {
  byId, labelThumbnail, nameClasses, sharedLabels, showAbout, showAnswer, showCoverages, showHeatmap, showModels,
  showPhoto, showProblem, showTopK, spoken, summary, thumbnail,
} from "./view.js";

const MAX_PHOTOS = 24;
const AT_A_TIME = 2;
const POLL_MS = 2000;
const MOST_TAGS = 100; // classes to ask for where any number may be present

let photos = []; // { file, url, thumbnail, outcome, request }; outcome and request may be null
let selected = null;
let models = [];
let model = null; // null until the list is here: then the server's default answers
let choosing = false; // a model is chosen and not yet described: its options are not known
const details = new Map(); // by name and version, as in "imagenet/1"

/* --- classifying ----------------------------------------------------------------------------------------------- */

const wantedPath = () => classifyPath(model, {
  topK: detailOf(model)?.task === "multilabel" ? Math.min(model.classes, MOST_TAGS) : byId["top-k"].value,
  coverage: byId.coverage.value,
  heatmap: byId.explain.checked && !byId.explain.disabled,
});

/** The selected photo is kept up to date, the others are answered once and again when they are looked at. */
const isDue = (photo) =>
  !photo.request && (photo === selected ? photo.outcome?.path !== wantedPath() : !photo.outcome);

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
  const path = wantedPath();
  photo.request = request;
  render();
  let outcome;
  try {
    const labels = detailOf(model)?.labels;
    outcome = await classify(photo.file, path, request.signal);
    nameClasses(outcome.result, sharedLabels(labels ?? outcome.result.predictions.map((each) => each.label)));
  } catch (error) {
    outcome = { problem: error instanceof Problem ? error : unexpected(error) };
  }
  if (photo.request !== request) return; // a newer question took its place
  Object.assign(photo, { request: null, outcome: { ...outcome, path } });
  if (photo === selected) byId.status.textContent = spoken(photo.outcome);
  render();
  work();
}

const unexpected = (error) => new Problem({ title: "The page made a mistake", detail: String(error), status: -1 });

function drop(photo) {
  photo.request?.abort();
  photo.request = null;
}

function optionsChanged() {
  photos.forEach(drop);
  shown = null; // the same answer may be shown with more or fewer classes
  work();
  render();
}

/* --- photos ---------------------------------------------------------------------------------------------------- */

function add(files) {
  const added = [...files].slice(0, MAX_PHOTOS).map((file) => {
    const photo = { file, url: URL.createObjectURL(file), outcome: null, request: null };
    photo.thumbnail = thumbnail(photo, () => select(photo));
    return photo;
  });
  if (added.length === 0) return note("There was no photo in that. Copy or drag an image itself.");
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

function select(photo) {
  selected = photo;
  showPhoto(photo);
  photo.thumbnail.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (!isDue(photo) && photo.outcome) byId.status.textContent = spoken(photo.outcome);
  work();
  render();
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
    byId.problem.hidden = Boolean(selected);
    pollLater();
    return;
  }
  models = list.models;
  const same = models.find((each) => each.name === model?.name && each.version === model?.version);
  const next = same ?? firstChoice(list);
  if (models.some((each) => ["discovered", "verifying", "warming"].includes(each.state))) pollLater();
  showModels(models, next);
  if (next && (!same || same.state !== model.state)) await choose(next);
  else render();
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

async function choose(next) {
  model = next;
  choosing = true;
  photos.forEach(drop);
  for (const photo of photos) if (photo.outcome?.problem?.passing) photo.outcome = null;
  render();
  const detail = await describe(next);
  if (model !== next) return; // another one was chosen meanwhile
  choosing = false;
  byId.explain.disabled = !detail?.heatmap;
  byId.explain.parentElement.title = detail && !detail.heatmap ? "This model has no heatmap" : "";
  showCoverages(detail?.coverages ?? []);
  showTopK(next.classes, Number(byId["top-k"].value));
  showAbout(next, detail);
  optionsChanged();
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
  const outcome = selected?.outcome;
  const busy = Boolean(selected && (selected.request || choosing));
  document.body.classList.toggle("empty", !selected);
  document.body.classList.toggle("busy", busy);
  document.body.classList.toggle("pending", busy && !outcome);
  byId.strip.hidden = photos.length < 2;
  byId["sample-line"].hidden = Boolean(selected);
  byId.repeat.hidden = !selected;
  byId.waiting.textContent = busy ? "Looking …" : "The classes appear here, most probable first.";
  byId.answer.hidden = outcome ? !outcome.result : !busy || byId.answer.hidden;
  byId.waiting.hidden = Boolean(outcome) || !byId.answer.hidden;
  if (selected) byId.problem.hidden = !outcome?.problem;
  else if (models.length) byId.problem.hidden = true;
  if (outcome !== shown) show(outcome);
  if (selected) byId.curl.textContent = curlLine(selected.file.name, outcome?.path ?? wantedPath());
  for (const photo of photos) labelThumbnail(photo, photo === selected);
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

byId.model.addEventListener("change", () => choose(models[byId.model.value]));
for (const option of [byId["top-k"], byId.coverage, byId.explain]) option.addEventListener("change", optionsChanged);

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

render();
refreshModels();
