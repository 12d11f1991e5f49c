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

function bytes(count) {
  return count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

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
  byId["problem-detail"].textContent = detail;
  const facts = [];
  if (status && requestId) facts.push(`Status ${status} · `);
  if (requestId) facts.push("request ", element("code", requestId));
  byId["problem-facts"].replaceChildren(...facts);
  byId.retry.hidden = !passing;
}

/** What a screen reader says about it. */
export function spoken(outcome) {
  if (outcome.problem) return `${outcome.problem.title}. ${outcome.problem.detail}`;
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

export function showPhoto(photo) {
  const { picture, frame } = byId;
  picture.onload = () => {
    const ratio = picture.naturalWidth / picture.naturalHeight || 1; // an SVG may have no size
    frame.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.2), 5));
    picture.classList.toggle("pixels", picture.naturalWidth < 128);
    preview(true);
    caption(photo, `${picture.naturalWidth} × ${picture.naturalHeight}`);
  };
  picture.onerror = () => preview(false);
  picture.src = photo.url;
  picture.alt = photo.file.name;
  caption(photo);
  byId.figure.hidden = false;
}

function preview(works) {
  byId.frame.parentElement.hidden = !works;
  byId["no-preview"].hidden = works;
}

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
export function thumbnail(photo, onClick) {
  const image = element("img", "", { src: photo.url, alt: "", decoding: "async", draggable: false });
  image.onerror = () => image.replaceWith(element("i"));
  const button = element("button", [image, element("span", "…")], { type: "button", onclick: onClick });
  return element("li", button);
}

export function labelThumbnail(photo, current) {
  const button = photo.thumbnail.firstChild;
  const { outcome } = photo;
  const word = outcome?.problem ? "failed" : outcome ? summary(outcome.result) : "…";
  button.lastChild.textContent = word;
  button.ariaLabel = `${photo.file.name}: ${word}`;
  button.toggleAttribute("data-failed", Boolean(outcome?.problem));
  button.ariaCurrent = current ? "true" : null;
}

/* --- the models ------------------------------------------------------------------------------------------------ */

export function showModels(models, chosen) {
  byId.model.replaceChildren(...models.map((model, index) => element("option", optionText(model), {
    value: index, disabled: model.state !== "ready", selected: model === chosen, title: model.reason ?? "",
  })));
  byId.model.disabled = models.length === 0;
}

function optionText({ name, version, state, reason }) {
  const text = `${name}/${version}`;
  if (state === "ready") return text;
  const why = reason ?? state;
  return `${text} — ${why.length > 120 ? `${why.slice(0, 119)}…` : why}`;
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

/** Prediction sets, where the model has thresholds for them; keeps the choice where it still fits. */
export function showCoverages(coverages) {
  const wanted = byId.coverage.value;
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
