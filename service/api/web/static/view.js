/* Turns what is known into what is seen. Nothing here asks the server or remembers anything. */

import { paint } from "./heatmap.js";

export const byId = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

const STAGES = ["receive", "decode", "queue", "infer"];

function element(tag, content = "", properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...[content].flat());
  return node;
}

export function percent(probability) {
  if (probability > 0 && probability < 0.0005) return "<0.1%";
  return `${(100 * probability).toFixed(1)}%`;
}

const wholePercent = (share) => `${Number((100 * share).toFixed(2))}%`;

const milliseconds = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

const MB_FROM = 95_000; // bytes; 0.1 MB when rounded

const megabytes = (count) => (count / 1e6).toFixed(1);

function bytes(count) {
  if (count < 1000) return count === 1 ? "1 byte" : `${count} bytes`;
  return count < MB_FROM ? `${Math.round(count / 1e3)} kB` : `${megabytes(count)} MB`;
}

/** The server's words, with large numbers of bytes as MB. */
const readable = (text) => text.replace(/\b\d{5,} bytes\b/g, (count) => bytes(parseInt(count, 10)));

/* --- the answer ------------------------------------------------------------------------------------------------ */

const SURE = 0.9; // from here on an answer is shown as one
const LIKELY = 0.5; // below, all other classes together are more probable

/** How an answer is to be read: unfamiliar, sure, likely or weak; tags where any number of classes may be present. */
export function kindOf({ predictions: [first], unfamiliar }) {
  if (first.threshold !== undefined) return "tags";
  if (unfamiliar) return "unfamiliar";
  if (first.probability >= SURE) return "sure";
  return first.probability >= LIKELY ? "likely" : "weak";
}

const presentIn = (result) => result.predictions.filter((each) => each.present);

/** The most probable classes, `count` of them, and all others that are present. */
export function showAnswer(outcome, count) {
  const { result } = outcome;
  const kind = kindOf(result);
  const shown = result.predictions.filter((each, index) => each.present || index < count);
  byId.answer.dataset.kind = kind;
  byId.verdict.replaceChildren(...verdict(kind, result));
  byId.predictions.replaceChildren(...shown.map(prediction));
  byId.set.textContent = setSentence(result.prediction_set);
  byId.trust.textContent = trustSentence(outcome);
  byId.source.replaceChildren(
    element("strong", outcome.model), ` version ${outcome.version}`,
    ` · ${milliseconds(outcome.roundTrip)} round trip`,
  );
  showTimes(outcome.times);
}

function verdict(kind, result) {
  switch (kind) {
    case "unfamiliar":
      return [
        element("strong", "This picture looks like none of the classes"),
        element("span", "The model has to choose one all the same; these are the nearest."),
      ];
    case "weak":
      return [element("span", "A weak guess: all other classes together are more probable.")];
    case "likely":
      return [element("span", "Likely, not certain.")];
    case "tags":
      return [
        element("strong", presentSentence(presentIn(result).length)),
        element("span", "The tick on each bar is the probability from which on that class counts as present."),
      ];
    default:
      return [];
  }
}

function presentSentence(count) {
  if (count === 0) return "None of the classes is present";
  return count === 1 ? "One class is present" : `${count} classes are present`;
}

function trustSentence({ calibrated, weak_calibration: weak }) {
  if (weak) return `Weak calibration: ${weak}`;
  return calibrated ? "" : "Not calibrated: the percentages are what the model says of itself.";
}

function prediction({ name, probability, threshold, present }) {
  const bar = element("span", "", { className: "bar" });
  bar.style.setProperty("--share", probability);
  if (threshold !== undefined) bar.style.setProperty("--threshold", threshold);
  const line = element("li", [
    element("span", [
      element("span", name, { className: "label" }),
      ...(present ? [" ", element("span", "present", { className: "mark" })] : []),
    ]),
    element("span", percent(probability), { className: "percent" }),
    bar,
  ]);
  line.classList.toggle("absent", present === false);
  return line;
}

/** Labels that more than one class has. */
export function sharedLabels(labels) {
  const seen = new Set();
  return new Set(labels.filter((label) => seen.size === seen.add(label).size));
}

/** Give each prediction a name that tells it from all others: its label, with the class_id where another has it too. */
export function nameClasses({ predictions, prediction_set: set }, shared) {
  for (const each of [...predictions, ...(set?.predictions ?? [])]) {
    each.name = shared.has(each.label) ? `${each.label} (class ${each.class_id})` : each.label;
  }
}

function setSentence(set) {
  if (!set) return "";
  const [share, labels] = [wholePercent(set.coverage), set.predictions.map((each) => each.name)];
  return `${share} set: ${labels.join(", ")}. Such sets hold the true class in ${share} of images like those they were fitted on.`;
}

function showTimes(times) {
  const stages = STAGES.filter((stage) => times.has(stage));
  const total = times.get("total") ?? stages.reduce((sum, stage) => sum + times.get(stage), 0);
  byId.times.hidden = stages.length === 0;
  byId["times-bar"].replaceChildren(...stages.map((stage) => {
    const part = element("span", "", { className: stage });
    part.style.flexGrow = times.get(stage) / (total || 1);
    return part;
  }));
  byId["times-list"].replaceChildren(...[...stages, "total"].map((stage) => element("div", [
    element("dt", stage, { className: stage }),
    element("dd", milliseconds(times.get(stage) ?? total)),
  ])));
}

export function showProblem({ title, detail, status, requestId, passing }) {
  byId["problem-title"].textContent = title;
  byId["problem-detail"].textContent = readable(detail);
  const facts = [];
  if (status && requestId) facts.push(`Status ${status} · `);
  if (requestId) facts.push("request ", element("code", requestId));
  byId["problem-facts"].replaceChildren(...facts);
  byId.retry.hidden = !passing;
}

/** What a screen reader says about it. */
export function spoken(outcome) {
  if (outcome.problem) return `${outcome.problem.title}. ${readable(outcome.problem.detail)}`;
  return `${spokenResult(outcome.result)} Answered by ${outcome.model} version ${outcome.version}.`;
}

function spokenResult(result) {
  const named = (each) => `${each.name}, ${percent(each.probability)}.`;
  const [first] = result.predictions;
  switch (kindOf(result)) {
    case "unfamiliar":
      return `This picture looks like none of the classes. Nearest: ${named(first)}`;
    case "weak":
      return `${named(first)} This is a weak guess.`;
    case "tags":
      return [`${presentSentence(presentIn(result).length)}.`, ...presentIn(result).map(named)].join(" ");
    default:
      return named(first);
  }
}

/** One word or two for a thumbnail and for the title of the page. */
export function summary(result) {
  switch (kindOf(result)) {
    case "unfamiliar":
      return "unfamiliar";
    case "tags":
      return presentIn(result).map((each) => each.name).join(", ") || "none present";
    default:
      return result.predictions[0].name;
  }
}

/* --- the photo ------------------------------------------------------------------------------------------------- */

let drawn = false; // whether the browser could draw the photo that is shown

export function showPhoto(photo) {
  const { picture, frame } = byId;
  byId.figure.hidden = !photo;
  if (!photo) return picture.removeAttribute("src");
  picture.onload = () => {
    const ratio = picture.naturalWidth / picture.naturalHeight || 1; // an SVG may have no size
    frame.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.2), 5));
    picture.classList.toggle("pixels", picture.naturalWidth < 128);
    preview(photo, true);
    caption(photo, `${picture.naturalWidth} × ${picture.naturalHeight}`);
  };
  picture.onerror = () => preview(photo, false);
  picture.src = photo.url;
  picture.alt = photo.file.name;
  caption(photo);
}

function preview(photo, works) {
  drawn = works;
  byId.frame.parentElement.hidden = !works;
  byId["no-preview"].hidden = works;
  explainPreview(photo);
}

/** Say, in place of a picture that the browser cannot draw, what is known about the file. */
export function explainPreview(photo) {
  if (!drawn) byId["no-preview"].textContent = whyNoPreview(photo.outcome);
}

function whyNoPreview(outcome) {
  if (outcome?.result) return "The server reads this format, but this browser cannot show it.";
  if (!outcome?.problem.type.endsWith("/problems/unsupported-format")) return "This browser cannot show the file.";
  const named = /\bbytes are (.+?), not an image\b/.exec(outcome.problem.detail);
  return named ? `This file is ${named[1]}.` : "This file is not an image.";
}

/** How much of a photo was sent so far; nothing when `upload` is null. */
export function showUpload(upload) {
  byId.upload.hidden = !upload;
  if (!upload) return;
  const { sent, total } = upload;
  byId["upload-text"].textContent = `Sending the photo: ${megabytes(sent)} of ${megabytes(total)} MB`;
  byId["upload-bar"].value = sent / total;
}

export const spokenUpload = ({ total }) => `Sending the photo, ${bytes(total)}.`;

function caption(photo, size = "") {
  byId.caption.textContent = [photo.file.name, size, bytes(photo.file.size)].filter(Boolean).join(" · ");
}

export function showHeatmap(result) {
  const shown = Boolean(result?.heatmap);
  byId.heat.hidden = byId["heat-caption"].hidden = !shown;
  if (!shown) return;
  paint(byId.heat, result.heatmap);
  const of = result.predictions.find((each) => each.class_id === result.heatmap.class_id);
  byId["heat-caption"].textContent = `Warm: what speaks for “${of?.name ?? result.heatmap.class_id}”`;
}

/** A thumbnail in the strip, kept as long as its photo. */
export function thumbnail(photo, { onSelect, onRemove }) {
  const image = element("img", "", { src: photo.url, alt: "", decoding: "async", draggable: false });
  image.onerror = () => image.replaceWith(element("i"));
  const words = [element("span", "…", { className: "word" }), element("span", "", { className: "by" })];
  const select = element("button", [image, ...words], { type: "button", className: "thumb", onclick: onSelect });
  const remove = element("button", "×", { type: "button", className: "remove", onclick: onRemove });
  remove.ariaLabel = `Remove ${photo.file.name}`;
  select.setAttribute("aria-keyshortcuts", "Delete");
  const line = element("li", [select, remove]);
  line.addEventListener("keydown", (event) => event.key === "Delete" && onRemove());
  return line;
}

/** `named`: say which model answered, as the photos of the strip were answered by several. */
export function labelThumbnail(photo, { current, named }) {
  const button = photo.thumbnail.firstChild;
  const { outcome, upload } = photo;
  const word = outcome?.problem ? "failed" : outcome ? summary(outcome.result) : upload ? wholeShare(upload) : "…";
  const by = named && outcome?.result ? `${outcome.model}/${outcome.version}` : "";
  button.querySelector(".word").textContent = word;
  button.querySelector(".by").textContent = by;
  button.ariaLabel = `${photo.file.name}: ${word}${by && `, answered by ${by}`}`;
  button.toggleAttribute("data-failed", Boolean(outcome?.problem));
  button.ariaCurrent = current ? "true" : null;
}

const wholeShare = ({ sent, total }) => `${Math.floor((100 * sent) / total)}%`;

/** The command's words, each on one line if it is short enough. */
export function showCurl(words, multilabel) {
  byId["curl-note"].hidden = !multilabel;
  if (byId.curl.textContent === words.join(" ")) return; // a new text would end the user's selection
  const breakable = (word) => word.split(/(?<=[/?&])/).flatMap((part) => [element("wbr"), part]);
  byId.curl.replaceChildren(...words.flatMap((word, index) => [index ? " " : "", element("span", breakable(word))]));
}

/* --- the models ------------------------------------------------------------------------------------------------ */

export const keyOf = ({ name, version }) => `${name}/${version}`;

export function showModels(list) {
  byId.model.replaceChildren(...list.models.map((model) => element("option", optionText(model, list), {
    value: keyOf(model), disabled: model.state !== "ready", title: model.reason ?? "",
  })));
  byId.model.disabled = list.models.length === 0;
}

/** Show which model is chosen, in full; it may be gone from the list. */
export function showChosen(models, chosen) {
  byId.model.selectedIndex = models.findIndex((each) => chosen && keyOf(each) === keyOf(chosen));
  byId["model-name"].textContent = chosen ? keyOf(chosen) + stateText(chosen) : "…";
}

/** A version with its state in the API's words, or with what it is the default of. */
function optionText(model, { models, default_model: first }) {
  const several = models.filter(({ name }) => name === model.name).length > 1;
  const mark = model.name === first ? " — default" : several ? ` — default of ${model.name}` : "";
  return keyOf(model) + (stateText(model) || (model.default ? mark : ""));
}

/** Empty for a version that is ready. */
function stateText({ state, reason }) {
  if (state === "ready") return "";
  const text = reason ? `${state}: ${reason}` : state;
  return ` — ${text.length > 120 ? `${text.slice(0, 119)}…` : text}`;
}

/** Why questions go to another version than before. */
export function whyMoved(old, next, gone) {
  if (gone) return `${keyOf(old)} is no longer served. Questions go to ${keyOf(next)} now.`;
  return `${keyOf(next)} is the default now. Questions go to it.`;
}

export function showMoved(text) {
  byId.moved.hidden = !text;
  if (byId.moved.textContent !== text) byId.moved.textContent = text;
}

/** Which versions of the list `after` became ready since `before`, but for `known`; what a screen reader says of it. */
export function spokenNew(before, after, known) {
  const ready = ({ models }) => models.filter(({ state }) => state === "ready").map(keyOf);
  const old = new Set([...ready(before), ...(known ? [keyOf(known)] : [])]);
  const added = ready(after).filter((key) => !old.has(key));
  return added.length ? `${added.join(", ")} can be chosen now.` : "";
}

function calibrationWord({ fitted_on: fitted, weak }) {
  if (weak) return "weakly calibrated";
  return fitted ? "calibrated" : "not calibrated";
}

export function showAbout(model, detail) {
  const { input, classes, provider } = model;
  const facts = [`${classes} classes`, `${input.width} × ${input.height} ${input.colour === "L" ? "grey" : input.colour}`];
  if (provider) facts.push([provider, detail?.engine?.precision].filter(Boolean).join(" "));
  if (detail?.task === "multilabel") facts.push("several may be present");
  if (detail) facts.push(calibrationWord(detail.calibration));
  if (detail && !detail.heatmap) facts.push("no heatmap");
  byId.about.replaceChildren(element("span", model.description), element("span", facts.join(" · ")));
}

/** Prediction sets, where the model has thresholds for them; keeps the choice where it fits. */
export function showCoverages(coverages, wanted) {
  const offers = ["", ...coverages.map(String)];
  byId.coverage.replaceChildren(...offers.map((value) => element("option", value ? wholePercent(value) : "off", {
    value, selected: value === wanted,
  })));
  byId.coverage.parentElement.hidden = coverages.length === 0;
}

/** Offer the usual numbers of classes, and all where those are few; keeps the choice where it still fits. */
export function showTopK(classes, wanted) {
  const offers = [1, 3, 5, 10, 20].filter((count) => count < classes);
  if (classes <= 20) offers.push(classes);
  const chosen = offers.findLast((count) => count <= wanted) ?? offers[0];
  byId["top-k"].replaceChildren(...offers.map((count) => element("option", String(count), {
    value: count, selected: count === chosen,
  })));
}
