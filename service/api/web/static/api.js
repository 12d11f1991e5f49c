/* Talks to the service. Addresses are relative, so the page also works below a path prefix. */

/** What went wrong, in the words of RFC 9457 whether the server said it or not. */
export class Problem extends Error {
  constructor({ type = "about:blank", title, detail, status = 0, requestId = null }) {
    super(title);
    Object.assign(this, { type, title, detail, status, requestId });
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return [0, 408, 429, 500, 502, 503, 504].includes(this.status);
  }
}

export const address = (path) => new URL(path, document.baseURI);

/** Send a request. By XMLHttpRequest, since fetch reports no progress of an upload; `onUpload` gets bytes sent and total. */
async function send(path, { method = "GET", body: content = null, headers = {}, signal, onUpload } = {}) {
  const begun = performance.now();
  const request = new XMLHttpRequest();
  request.open(method, address(path));
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  if (onUpload) request.upload.onprogress = ({ loaded, total }) => onUpload(loaded, total);
  await new Promise((resolve, reject) => {
    const abort = () => request.abort();
    request.onload = resolve;
    request.onabort = () => reject(new DOMException("The request was given up", "AbortError"));
    request.onerror = () => reject(new Problem({
      title: "The server cannot be reached",
      detail: `${location.host} gave no answer. Check that it is running and that you are connected.`,
    }));
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    request.send(content);
  });
  const { status } = request;
  const requestId = request.getResponseHeader("X-Request-ID");
  const body = parsed(request.responseText);
  if (status < 200 || status > 299 || body === null) {
    throw new Problem({
      type: body?.type,
      title: body?.title ?? `Unexpected answer ${status}`,
      detail: body?.detail ?? "This does not come from the classification service itself; maybe from a proxy before it.",
      status,
      requestId: body?.request_id ?? requestId,
    });
  }
  const times = stageTimes(request.getResponseHeader("Server-Timing"));
  return { body, requestId, times, roundTrip: performance.now() - begun };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** `Server-Timing: receive;dur=0.4, decode;dur=3.1` as a map from stage to milliseconds. */
function stageTimes(header) {
  const entries = (header ?? "").split(",").map((entry) => {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim());
    return [name, Number(parameters.find((each) => each.startsWith("dur="))?.slice(4))];
  });
  return new Map(entries.filter(([, duration]) => Number.isFinite(duration)));
}

export const listModels = async () => (await send("v1/models")).body;

const modelPath = ({ name, version }) =>
  `v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;

export const describeModel = async (model) => (await send(modelPath(model))).body;

/** The path that classifies with `model` (null: the server's default) and these options. */
export function classifyPath(model, { topK, coverage, heatmap }) {
  const route = model ? `${modelPath(model)}/classify` : "v1/classify";
  const query = new URLSearchParams({ top_k: topK });
  if (coverage) query.set("coverage", coverage);
  if (heatmap) query.set("explain", "heatmap");
  return `${route}?${query}`;
}

/** Send a file. `onUpload` is called with the bytes sent so far and their total, as the browser reports them. */
export async function classify(file, path, { signal, onUpload }) {
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new Problem({ title: "The file cannot be read", detail: `${file.name} is a folder, or was moved or changed.`, status: 400 });
  }
  // Any other type would be a form or JSON that holds images, which a dropped file is not.
  const headers = { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" };
  const { body, ...rest } = await send(path, { method: "POST", body: bytes, headers, signal, onUpload });
  return { ...body, result: body.results[0], ...rest };
}

const quoted = (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** The words of a command; joined by spaces they are its line. */
export const curlWords = (name, path) => ["curl", "--data-binary", `@${quoted(name)}`, quoted(address(path).href)];
