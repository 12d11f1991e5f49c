"""The page at `/` in a real browser, against a real server: what it promises to someone with a photo."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FileChooser, Page, Route, expect

from tests.browser.conftest import LONG_NAME, Open
from tests.browser.visit import File, Visit
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, encoded, picture
from tests.support.programs import program
from tests.support.server import running

pytestmark = pytest.mark.browser

RED_PNG = File("red.png", picture(RED))
GREEN_PNG = File("green.png", picture(GREEN))
NOT_AN_IMAGE = File("notes.txt", b"no image at all", "text/plain")
REFUSED = "status of 4"  # Chromium itself logs every 4xx answer


def test_a_chosen_photo_is_named(visit: Open, photo: Path) -> None:
    """Bars, most probable first; which model and version; how long each stage took; the photo itself."""
    tab = visit()
    tab.choose(photo)
    assert len(tab.labels) == 5
    assert "cat" in tab.labels[0]
    assert tab.percents == sorted(tab.percents, reverse=True)
    assert 50 < sum(tab.percents) <= 100.3  # each is rounded
    assert tab.text("#source").startswith("imagenet version 1 · ")
    stages = dict(zip(tab.text("#times-list").split("\n")[::2], tab.text("#times-list").split("\n")[1::2], strict=True))
    assert list(stages) == ["receive", "decode", "queue", "infer", "total"]
    assert all(re.fullmatch(r"\d+(\.\d)? ms", time) for time in stages.values())
    assert tab.page.locator("#picture").evaluate("image => image.naturalWidth") == 451
    assert tab.text("#caption").startswith("sample.jpg · 451 × 300")


def test_bars_are_as_long_as_their_probability(visit: Open, photo: Path) -> None:
    """The bar's share of its track is the number beside it."""
    tab = visit(reduced_motion="reduce")
    tab.choose(photo)
    shares = tab.page.locator("#predictions .bar").evaluate_all(
        "bars => bars.map((bar) => parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth)"
    )
    assert [100 * share for share in shares] == pytest.approx(tab.percents, abs=0.4)


@pytest.mark.parametrize("bring", [Visit.drop, Visit.paste])
def test_a_dropped_or_pasted_photo_is_named(visit: Open, photo: Path, bring: Callable[[Visit, File], None]) -> None:
    """Neither needs a target: the whole page takes it."""
    tab = visit()
    bring(tab, File("cat.jpg", photo.read_bytes(), "image/jpeg"))
    expect(tab.page.locator("#predictions li")).to_have_count(5)
    assert "cat" in tab.labels[0]


def test_dragging_shows_that_the_page_will_take_it(visit: Open) -> None:
    """A veil while a file hovers, gone when it leaves or falls."""
    tab = visit()
    dragged = {"dataTransfer": tab.transfer(RED_PNG)}
    tab.page.dispatch_event("main", "dragenter", dragged)
    tab.page.dispatch_event("header", "dragenter", dragged)
    tab.page.dispatch_event("main", "dragleave", dragged)
    assert not tab.hidden("#veil")
    tab.page.dispatch_event("header", "dragleave", dragged)
    assert tab.hidden("#veil")
    tab.page.dispatch_event("main", "dragenter", dragged)
    tab.drop(RED_PNG)
    assert tab.hidden("#veil")


def test_a_paste_without_an_image_says_so(visit: Open) -> None:
    """Text on the clipboard is no silent failure."""
    tab = visit()
    tab.paste()
    assert "no photo" in tab.text("#note")
    assert tab.text("#status") == tab.text("#note")


def test_a_wrong_file_shows_the_problem(visit: Open, photo: Path) -> None:
    """Title and detail of the server's problem and the request's id; the next photo is answered."""
    tab = visit(tolerate=REFUSED)
    with tab.page.expect_response("**/classify*") as answer:
        tab.drop(NOT_AN_IMAGE)
    expect(tab.page.locator("#problem")).to_be_visible()
    problem = answer.value.json()
    assert tab.text("#problem-title") == problem["title"]
    assert tab.text("#problem-detail").lower() == problem["detail"].lower()
    assert tab.text("#problem-facts") == f"Status 415 · request {problem['request_id']}"
    assert answer.value.headers["x-request-id"] == problem["request_id"]
    assert problem["title"] in tab.text("#status")
    assert tab.hidden("#answer")
    assert tab.hidden("#retry")  # the same file would fail again
    tab.choose(photo)
    assert tab.hidden("#problem")
    assert "cat" in tab.labels[0]


def test_without_a_server_the_page_says_so_and_tries_again(visit: Open, photo: Path) -> None:
    """Connection lost: a problem of the page's own; found again: one click."""
    tab = visit(tolerate="net::ERR_INTERNET_DISCONNECTED")
    tab.context.set_offline(True)
    tab.choose(photo)
    assert tab.text("#problem-title") == "The server cannot be reached"
    tab.context.set_offline(False)
    tab.page.click("#retry")
    expect(tab.page.locator("#predictions li")).to_have_count(5)
    assert tab.hidden("#problem")


def test_several_photos_stand_side_by_side(visit: Open) -> None:
    """Each keeps its own answer; a bad one fails alone."""
    tab = visit(tolerate=REFUSED)
    tab.pick_model("colours")
    tab.drop(RED_PNG, GREEN_PNG, NOT_AN_IMAGE)
    thumbnails = tab.page.locator("#strip .thumb .word")
    expect(thumbnails).to_have_text(["red", "green", "failed"])
    assert tab.labels[0] == "red"
    thumbnails.nth(1).click()
    assert tab.labels[0] == "green"
    assert tab.page.locator("#strip .thumb").nth(1).get_attribute("aria-current") == "true"
    thumbnails.nth(2).click()
    assert not tab.hidden("#problem")


def test_the_picker_switches_models(visit: Open) -> None:
    """The photo is asked again of the chosen version; what is not ready cannot be chosen and says why."""
    tab = visit(tolerate=REFUSED)
    tab.drop(RED_PNG)
    assert tab.page.locator("#model option:checked").inner_text() == "imagenet/1 — default"
    tab.pick_model("colours", "2")
    expect(tab.page.locator("#source")).to_contain_text("colours version 2")
    assert tab.labels[0] == "red"
    assert "not calibrated" in tab.text("#about")
    damaged = tab.page.locator("#model option", has_text="damaged")
    assert damaged.is_disabled()
    assert "model.onnx differs" in damaged.inner_text()


def test_the_number_of_classes_can_be_chosen(visit: Open, photo: Path) -> None:
    """As many bars as asked for, and no more offered than the model has."""
    tab = visit()
    tab.choose(photo)
    tab.page.select_option("#top-k", "10")
    expect(tab.page.locator("#predictions li")).to_have_count(10)
    tab.pick_model("colours")
    expect(tab.page.locator("#predictions li")).to_have_count(3)
    assert tab.page.locator("#top-k option").all_inner_texts() == ["1", "3"]


def test_a_prediction_set_can_be_asked_for(visit: Open) -> None:
    """Offered where the model has thresholds; hidden where it has none."""
    tab = visit()
    assert tab.hidden("#coverage")
    tab.pick_model("colours")
    tab.drop(RED_PNG)
    tab.page.select_option("#coverage", label="50%")
    expect(tab.page.locator("#set")).to_contain_text("50% set: red. ")
    tab.pick_model("flat")
    assert tab.hidden("#coverage")
    assert tab.hidden("#set")


def test_the_heatmap_lies_over_what_the_network_saw(visit: Open, photo: Path) -> None:
    """Painted, smooth, half transparent, exactly over the region; off again when switched off."""
    tab = visit()
    tab.choose(photo)
    assert tab.hidden("#heat")
    with tab.page.expect_response("**/classify*") as answer:
        tab.page.click(".switch")
    tab.settle()
    expect(tab.page.locator("#heat")).to_be_visible()
    heatmap = answer.value.json()["results"][0]["heatmap"]
    region, (rows, columns) = heatmap["region"], (len(heatmap["values"]), len(heatmap["values"][0]))
    frame, heat = boxes(tab.page, "#frame", "#heat")
    assert (heat["x"] - frame["x"]) / frame["width"] == pytest.approx(region["left"], abs=0.01)
    assert heat["width"] / frame["width"] == pytest.approx(region["right"] - region["left"], abs=0.01)
    assert heat["height"] / frame["height"] == pytest.approx(region["bottom"] - region["top"], abs=0.01)
    hottest = max((value, y, x) for y, row in enumerate(heatmap["values"]) for x, value in enumerate(row))
    coldest = min((value, y, x) for y, row in enumerate(heatmap["values"]) for x, value in enumerate(row))
    hot, cold = opacities(tab.page, *(((x + 0.5) / columns, (y + 0.5) / rows) for _, y, x in (hottest, coldest)))
    assert 100 < hot < 200
    assert cold < hot - 50
    assert tab.labels[0] in tab.text("#heat-caption")
    tab.page.click(".switch")
    expect(tab.page.locator("#heat")).to_be_hidden()


def test_the_heatmap_of_a_padded_picture_lies_over_it(visit: Open) -> None:
    """It reaches beyond the picture, so that what is warm is where the picture is red: in its right upper corner."""
    wide = Image.new("RGB", (160, 40))
    wide.paste((255, 0, 0), (120, 0, 160, 20))
    tab = visit()
    tab.pick_model("padded")
    tab.drop(File("corner.png", encoded(wide)))
    tab.page.click(".switch")
    tab.settle()
    expect(tab.page.locator("#heat")).to_be_visible()
    frame, heat = boxes(tab.page, "#frame", "#heat")
    assert heat["width"] == pytest.approx(frame["width"], rel=0.01)
    assert heat["height"] == pytest.approx(4 * frame["height"], rel=0.01)
    places = [
        (
            (frame["x"] + x * frame["width"] - heat["x"]) / heat["width"],
            (frame["y"] + y * frame["height"] - heat["y"]) / heat["height"],
        )
        for x, y in ((0.9, 0.2), (0.1, 0.2), (0.9, 0.95))
    ]
    corner, left, below = opacities(tab.page, *places)
    assert corner > 100
    assert max(left, below) < corner - 50


def boxes(page: Page, *selectors: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = page.evaluate(
        "selectors => selectors.map((each) => document.querySelector(each).getBoundingClientRect().toJSON())",
        list(selectors),
    )
    return found


def opacities(page: Page, *points: tuple[float, float]) -> list[int]:
    """Alpha of the heatmap's pixels at these fractions of its width and height."""
    found: list[int] = page.locator("#heat").evaluate(
        """(canvas, points) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          return points.map(([x, y]) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width)) + 3]);
        }""",
        [list(point) for point in points],
    )
    return found


def test_a_model_without_class_map_has_no_heatmap(visit: Open) -> None:
    """The switch is off duty and nothing is asked that would be refused."""
    tab = visit()
    tab.page.click(".switch")
    tab.pick_model("flat")
    tab.drop(RED_PNG)
    expect(tab.page.locator("#source")).to_contain_text("flat")
    assert tab.page.locator("#explain").is_disabled()
    assert "no heatmap" in tab.text("#about")
    assert "explain" not in tab.text("#curl")


def test_a_photo_from_a_turned_camera_stands_upright(visit: Open, tmp_path: Path) -> None:
    """EXIF orientation: the page turns the picture as the server does, so the heatmap fits."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(encoded(Image.new("RGB", (300, 200), BLUE), "JPEG", exif=exif))
    tab = visit()
    tab.page.click(".switch")
    tab.choose(turned)
    assert "200 × 300" in tab.text("#caption")
    frame, heat = boxes(tab.page, "#frame", "#heat")
    assert frame["height"] > frame["width"]
    assert heat["width"] == pytest.approx(heat["height"], rel=0.02)


def test_a_format_that_the_browser_cannot_show_is_still_named(visit: Open) -> None:
    """TIFF has no preview in Chromium, but an answer."""
    tab = visit()
    tab.pick_model("colours")
    tab.drop(File("scan.tif", picture(GREEN, image_format="TIFF"), "image/tiff"))
    expect(tab.page.locator("#predictions .label").first).to_have_text("green")
    expect(tab.page.locator("#no-preview")).to_have_text(
        "The server reads this format, but this browser cannot show it."
    )


def test_a_file_that_is_no_image_says_so_in_its_place(visit: Open) -> None:
    """What the server names, such as a HEIC photo, is named; sizes are in MB, also in the server's sentence."""
    tab = visit(tolerate=REFUSED)
    tab.drop(File("notes.txt", b"no image at all\n" * 90_000, "text/plain"))
    expect(tab.page.locator("#no-preview")).to_have_text("This file is not an image.")
    assert tab.text("#caption") == "notes.txt · 1.4 MB"
    assert tab.text("#problem-detail").startswith("These 1.4 MB are not an image of an accepted format; send JPEG")
    heic = (ROOT / "tests" / "cases" / "images" / "fake.heic").read_bytes()
    tab.drop(File("IMG_0001.HEIC", heic, "image/heic"))
    expect(tab.page.locator("#no-preview")).to_have_text("This file is a HEIC photo.")
    assert "export it as JPEG" in tab.text("#problem-detail")
    assert tab.text("#caption") == "IMG_0001.HEIC · 2 kB"


def test_a_file_that_is_no_image_says_so_below_a_prefix(browser: Browser, tmp_path: Path) -> None:
    """Where the type of the problem begins with the prefix of a proxy."""
    write_bundle(tmp_path)
    with running(tmp_path, "--root-path", "/vision") as server:
        tab = Visit(browser.new_context(), f"{server.url}/vision/")
        tab.drop(NOT_AN_IMAGE)
        expect(tab.page.locator("#no-preview")).to_have_text("This file is not an image.")
        tab.close()


def throttle(tab: Visit, bytes_per_s: int) -> None:
    """Limit the speed of uploads."""
    conditions = {"offline": False, "latency": 20, "downloadThroughput": -1, "uploadThroughput": bytes_per_s}
    tab.context.new_cdp_session(tab.page).send("Network.emulateNetworkConditions", conditions)


def large_photo(seed: int) -> File:
    """Return a PNG of 0.7 MB."""
    noise = np.random.default_rng(seed).integers(0, 256, (480, 480, 3), np.uint8)
    return File(f"noise{seed}.png", encoded(Image.fromarray(noise), "PNG"))


def test_a_slow_upload_shows_its_progress(visit: Open) -> None:
    """As a bar with a name, in MB, on the thumbnails, and once to a screen reader; then the answer takes its place."""
    tab = visit()
    throttle(tab, 500_000)
    tab.drop(large_photo(1), large_photo(2))
    bar = tab.page.get_by_role("progressbar", name=re.compile(r"Sending the photo: 0\.\d of 0\.7 MB"))
    expect(bar).to_be_visible()
    assert 0 < bar.evaluate("bar => bar.value") < 1
    assert tab.text("#status") == "Sending the photo, 0.7 MB."
    assert tab.page.get_attribute("#read", "aria-busy") == "true"
    expect(tab.page.locator("#strip .word").nth(1)).to_have_text(re.compile(r"\d+%"))
    expect(tab.page.locator("#predictions li")).to_have_count(5)
    assert tab.hidden("#upload")
    assert tab.page.get_attribute("#read", "aria-busy") == "false"
    tab.page.locator("#strip .thumb").nth(1).click()
    tab.settle()


def test_a_fast_upload_shows_no_progress(visit: Open, photo: Path) -> None:
    """Nothing flickers when a photo is sent in a moment."""
    tab = visit()
    tab.page.evaluate(
        "new MutationObserver(() => { window.shown ||= !upload.hidden; })"
        ".observe(document.getElementById('upload'), { attributes: true })"
    )
    tab.choose(photo)
    assert tab.page.evaluate("window.shown") in {None, False}


def test_a_photo_that_is_being_sent_can_be_removed(visit: Open) -> None:
    """The upload ends, and the page is as it was before."""
    tab = visit()
    throttle(tab, 100_000)
    tab.drop(large_photo(1))
    expect(tab.page.locator("#upload")).to_be_visible()
    with tab.page.expect_event("requestfailed") as given_up:
        tab.page.click("#remove")
    assert "ERR_ABORTED" in (given_up.value.failure or "")
    assert tab.hidden("#figure")
    assert tab.hidden("#upload")
    assert tab.hidden("#problem")
    assert not tab.hidden("#sample-line")
    assert tab.page.evaluate("document.activeElement.id") == "file"


URL_LIVES = """url => new Promise((resolve) => {
  Object.assign(new Image(), { onload: () => resolve(true), onerror: () => resolve(false), src: url });
})"""


def test_photos_can_be_removed_with_pointer_and_keyboard(visit: Open) -> None:
    """The next photo is shown and has the focus; the memory of the removed one is free."""
    tab = visit(tolerate="ERR_FILE_NOT_FOUND")
    tab.pick_model("colours")
    blue = File("blue.png", picture(BLUE))
    tab.drop(RED_PNG, GREEN_PNG, blue)
    words = tab.page.locator("#strip .word")
    expect(words).to_have_text(["red", "green", "blue"])
    urls = [tab.page.locator("#strip img").nth(place).get_attribute("src") for place in range(3)]
    tab.page.get_by_role("button", name="Remove green.png").click()
    expect(words).to_have_text(["red", "blue"])
    assert tab.text("#caption").startswith("red.png")  # the photo that is shown stays
    assert tab.text("#status") == "green.png was removed."
    assert tab.page.evaluate("document.activeElement.ariaLabel") == "blue.png: blue"
    tab.page.keyboard.press("Shift+Tab")
    tab.page.keyboard.press("Shift+Tab")
    assert tab.page.evaluate("document.activeElement.ariaLabel") == "red.png: red"
    tab.page.keyboard.press("Delete")
    expect(tab.page.locator("#caption")).to_contain_text("blue.png")
    assert tab.labels[0] == "blue"
    assert tab.page.evaluate("document.activeElement.id") == "file"  # a single photo has no strip
    assert [tab.page.evaluate(URL_LIVES, url) for url in urls] == [False, False, True]
    tab.page.keyboard.press("Shift+Tab")
    assert tab.page.evaluate("document.activeElement.id") == "remove"
    tab.page.keyboard.press("Enter")
    assert tab.hidden("#figure")
    assert tab.hidden("#answer")
    assert not tab.page.evaluate(URL_LIVES, urls[2])
    tab.drop(RED_PNG)
    expect(tab.page.locator("#predictions .label").first).to_have_text("red")


def test_photos_keep_the_model_that_answered_them(visit: Open) -> None:
    """Each photo names it where several answered; it is chosen again with the photo, or asked about all of them."""
    tab = visit()
    tab.pick_model("colours")
    tab.drop(RED_PNG, GREEN_PNG)
    words, by = tab.page.locator("#strip .word"), tab.page.locator("#strip .by")
    expect(words).to_have_text(["red", "green"])
    assert by.all_text_contents() == ["", ""]
    assert tab.hidden("#others")
    tab.pick_model("familiar")
    expect(by).to_have_text(["familiar/1", "colours/1"])
    tab.page.locator("#strip .thumb").nth(1).click()
    tab.settle()
    assert tab.text("#source").startswith("colours version 1")
    assert tab.text("#model-name") == "colours/1"
    assert tab.page.locator("#model option:checked").inner_text() == "colours/1"
    expect(by).to_have_text(["familiar/1", "colours/1"])  # looking asks nothing
    assert tab.page.locator("#strip .thumb").first.get_attribute("aria-label") == "red.png: red, answered by familiar/1"
    tab.page.get_by_role("button", name="Ask colours/1 about all 2 photos").click()
    expect(by).to_have_text(["", ""])
    assert tab.hidden("#others")
    assert tab.page.evaluate("document.activeElement.id") == "model"


def test_the_options_stay_as_chosen_while_a_model_offers_fewer(visit: Open, photo: Path) -> None:
    """Ten classes are ten again after a model of three."""
    tab = visit()
    tab.choose(photo)
    tab.page.select_option("#top-k", "10")
    tab.pick_model("colours")
    expect(tab.page.locator("#predictions li")).to_have_count(3)
    tab.pick_model("imagenet")
    expect(tab.page.locator("#predictions li")).to_have_count(10)


def test_a_long_model_name_is_never_cut(visit: Open, photo: Path) -> None:
    """On a phone and a desktop, in the menu, in the answer and in the strip, it wraps."""
    for width in (360, 1280):
        tab = visit(viewport={"width": width, "height": 800})
        tab.choose(photo, photo)
        expect(tab.page.locator("#strip .word")).to_have_text([re.compile("cat")] * 2)
        tab.pick_model(LONG_NAME)
        expect(tab.page.locator("#strip .by").first).to_have_text(f"{LONG_NAME}/1")
        assert tab.text("#model-name") == f"{LONG_NAME}/1"
        assert LONG_NAME in tab.text("#source")
        for selector in ("#model-name", ".picker", "#source", "#strip .by", "#curl"):
            assert tab.page.locator(selector).first.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
        assert tab.page.get_by_label("Model").input_value() != ""
        assert not tab.scrolls_sideways


def test_the_shell_line_wraps_at_spaces(visit: Open, photo: Path) -> None:
    """Each word of the command is on one line of a desktop's page, and a line of its own begins at a space."""
    tab = visit(viewport={"width": 1280, "height": 800})
    tab.choose(photo)
    words = tab.page.locator("#curl span")
    assert words.all_text_contents()[:3] == ["curl", "--data-binary", "@'sample.jpg'"]
    tops = words.evaluate_all("words => words.map((word) => word.offsetTop)")
    assert tops[0] == tops[1] == tops[2] < tops[3]


def test_the_shell_line_of_a_multilabel_model_asks_for_all_classes(visit: Open) -> None:
    """As the page does, and it says why; the page then shows as many as are wanted and all that are present."""
    tab = visit()
    ask(tab, *ANSWERS[4][:3])
    tab.page.select_option("#top-k", "1")
    tab.settle()
    assert tab.text("#curl").endswith("/classify?top_k=3'")
    assert "reach their threshold" in tab.text("#curl-note")
    tab.pick_model("colours")
    assert tab.hidden("#curl-note")


@pytest.mark.parametrize("phone", [True, False])
def test_a_phone_is_not_told_to_drop_or_paste(visit: Open, phone: bool) -> None:
    """It can do neither; a desktop can."""
    context = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True} if phone else {}
    tab = visit(**context)
    assert tab.text("#drop-text") == ("Choose photos" if phone else "Choose photos\nor drop or paste them anywhere")
    assert tab.page.get_by_label("Top classes").input_value() == "5"


def test_an_older_answer_never_replaces_a_newer_one(visit: Open) -> None:
    """The first question is held back until the second is answered; what it says then is ignored."""
    tab = visit(tolerate="ERR_FAILED")
    tab.pick_model("colours", "1")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    tab.page.route("**/colours/versions/1/classify*", hold)
    with tab.page.expect_request("**/colours/versions/1/classify*") as first:
        tab.drop(RED_PNG)
    tab.pick_model("colours", "2")
    expect(tab.page.locator("#source")).to_contain_text("colours version 2")
    held[0].fulfill(json={"model": "late", "version": "0", "results": [{"predictions": []}]})
    tab.page.wait_for_timeout(200)
    assert "ERR_ABORTED" in (first.value.failure or "")
    assert tab.text("#source").startswith("colours version 2")
    assert tab.page.text_content("#problem-title") == ""  # nor was the broken-off question ever called a problem


def test_the_curl_line_does_the_same(visit: Open, photo: Path, tmp_path: Path) -> None:
    """Copied with one click, it runs in a shell as it is, also with a name that needs quoting."""
    (tmp_path / "it's a cat.jpg").write_bytes(photo.read_bytes())
    tab = visit(permissions=["clipboard-read", "clipboard-write"])
    tab.choose(tmp_path / "it's a cat.jpg")
    tab.page.click("#copy")
    expect(tab.page.locator("#copy")).to_have_text("Copied")
    line = tab.page.evaluate("navigator.clipboard.readText()")
    assert line == tab.text("#curl")
    program("curl", package="curl")
    answer = subprocess.run(["sh", "-c", f"{line} -s"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert tab.labels[0] in answer.decode()


def test_everything_works_without_a_mouse(visit: Open, photo: Path) -> None:
    """Tab reaches every control in reading order, visibly; Enter opens the file chooser, Space flips the switch."""
    tab = visit()
    choosers: list[FileChooser] = []

    def opened(chooser: FileChooser) -> None:
        choosers.append(chooser)

    tab.page.on("filechooser", opened)  # now: Chromium may take a moment to hand choosers over
    order = []
    for _ in range(4):
        tab.page.keyboard.press("Tab")
        order.append(tab.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert order == ["API", "Metrics", "file", "sample"]
    tab.page.keyboard.press("Shift+Tab")
    ring = tab.page.locator("#drop").evaluate("label => getComputedStyle(label).outlineStyle")
    assert ring == "solid"
    tab.page.keyboard.press("Enter")
    while not choosers:
        tab.page.wait_for_timeout(20)
    choosers[0].set_files(str(photo))
    expect(tab.page.locator("#predictions li")).to_have_count(5)
    assert tab.text("#status").startswith(tab.labels[0])  # announced
    assert tab.page.locator("#status").get_attribute("role") == "status"
    for wanted in ("model", "top-k", "explain"):
        tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.id") == wanted
    tab.page.keyboard.press("Space")
    expect(tab.page.locator("#heat")).to_be_visible()
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.id") == "copy"


def test_a_phone_never_scrolls_sideways(visit: Open, photo: Path, tmp_path: Path) -> None:
    """360 px: empty, answered, many photos, long names, problem."""
    tab = visit(viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True, tolerate=REFUSED)
    assert not tab.scrolls_sideways
    long_name = tmp_path / f"{'holiday-' * 20}.jpg"
    long_name.write_bytes(photo.read_bytes())
    tab.choose(long_name)
    tab.page.select_option("#top-k", "20")
    expect(tab.page.locator("#predictions li")).to_have_count(20)
    assert not tab.scrolls_sideways
    tab.choose(*[photo] * 6)
    assert not tab.scrolls_sideways
    tab.drop(NOT_AN_IMAGE)
    expect(tab.page.locator("#problem")).to_be_visible()
    assert not tab.scrolls_sideways
    accepted = tab.page.locator("#file").get_attribute("accept")
    assert accepted == "image/*"  # what makes a phone offer its camera


ANSWERS = [
    ("familiar", "black.png", (0, 0, 0), "unfamiliar"),
    ("familiar", "red.png", (255, 0, 0), "sure"),
    ("colours", "dull.png", (150, 120, 110), "likely"),
    ("colours", "grey.png", (100, 100, 100), "weak"),
    ("tags", "orange.png", (255, 180, 120), "tags"),
]
"""A model, a picture, and how its answer is to be read."""


def ask(tab: Visit, model: str, name: str, colour: tuple[int, int, int]) -> None:
    """Choose a model and drop a picture of one colour, and wait for the answer."""
    tab.pick_model(model)
    tab.drop(File(name, picture(colour)))
    expect(tab.page.locator("#caption")).to_contain_text(name)
    tab.settle()


def style(tab: Visit, selector: str, name: str, pseudo: str | None = None) -> str:
    found: str = tab.page.locator(selector).first.evaluate(
        "(node, [name, pseudo]) => getComputedStyle(node, pseudo)[name]", [name, pseudo]
    )
    return found


def test_an_unfamiliar_photo_says_so_first(visit: Open, photo: Path) -> None:
    """In words, above the classes, to a screen reader, on its thumbnail and in the title of the page."""
    tab = visit()
    tab.pick_model("fashion-mnist", "3")
    tab.choose(photo.parents[4] / "models/imagenet/1/golden/rocket.jpg")
    assert tab.text("#verdict").startswith("This picture looks like none of the classes")
    assert tab.text("#status").startswith("This picture looks like none of the classes. Nearest: T-shirt/top, 67.9%.")
    assert tab.page.locator("#strip .thumb .word").all_text_contents() == ["unfamiliar"]
    assert tab.page.title().startswith("unfamiliar")
    assert style(tab, "#predictions .label", "color") != style(tab, "#verdict strong", "color")
    assert tab.text("#trust") == ""  # this model is calibrated


def test_a_weak_guess_looks_different_from_a_sure_answer(visit: Open) -> None:
    """By words, size, weight and the pattern of the bar, not by colour alone."""
    tab = visit()
    looks = {}
    for model, name, colour, kind in ANSWERS[1:4]:
        ask(tab, model, name, colour)
        assert tab.page.locator("#answer").get_attribute("data-kind") == kind
        size, weight = (style(tab, "#predictions li", each) for each in ("fontSize", "fontWeight"))
        pattern = style(tab, "#predictions .bar", "backgroundImage", "::before")
        looks[kind] = float(size.removesuffix("px")), int(weight), "gradient" in pattern, tab.text("#verdict")
    assert looks["sure"][0] > looks["likely"][0] > looks["weak"][0]
    assert looks["sure"][1] > looks["likely"][1] > looks["weak"][1]
    assert [looks[kind][2] for kind in ("sure", "likely", "weak")] == [False, False, True]
    assert [looks[kind][3] for kind in ("sure", "likely")] == ["", "Likely, not certain."]
    assert looks["weak"][3].startswith("A weak guess")
    assert "This is a weak guess." in tab.text("#status")


def test_all_present_classes_of_a_multilabel_model_are_shown(visit: Open) -> None:
    """However few classes were asked for; the others are dimmed, and none may be present."""
    tab = visit()
    ask(tab, *ANSWERS[4][:3])
    assert tab.text("#verdict").startswith("2 classes are present")
    present = tab.page.locator("#predictions li:not(.absent)")
    assert present.locator(".label").all_inner_texts() == ["red", "blue"]
    assert present.locator(".mark").all_inner_texts() == ["present", "present"]
    assert tab.page.locator("#predictions li.absent .label").all_inner_texts() == ["green"]
    assert tab.text("#status").startswith("2 classes are present. red, 99.3%. blue, 42.7%.")
    tab.page.select_option("#top-k", "1")
    tab.settle()
    assert tab.labels == ["red", "blue"]
    ask(tab, "tags", "black.png", (0, 0, 0))
    assert tab.text("#verdict").startswith("None of the classes is present")
    assert tab.page.locator("#coverage").is_hidden()
    assert "several may be present" in tab.text("#about")


def test_equal_labels_are_shown_with_their_class(visit: Open) -> None:
    """Only those; also when a single one of them is in the answer."""
    tab = visit()
    ask(tab, "twins", "red.png", RED)
    assert tab.labels == ["crane (class 0)", "crane (class 1)", "pigeon"]
    tab.page.select_option("#top-k", "1")
    expect(tab.page.locator("#predictions .label")).to_have_text(["crane (class 0)"])


def test_a_weak_or_missing_calibration_is_said_in_one_line(visit: Open) -> None:
    """With the count of images where there is one."""
    tab = visit()
    ask(tab, "twins", "red.png", RED)
    assert tab.text("#trust") == "Weak calibration: fitted on 40 images, fewer than 200"
    assert "weakly calibrated" in tab.text("#about")
    ask(tab, "colours", "green.png", GREEN)
    assert tab.text("#trust") == "Not calibrated: the percentages are what the model says of itself."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_answer_has_contrast_and_fits_a_phone(visit: Open, scheme: str) -> None:
    """WCAG AA for all texts, and no sideways scrolling at 360 px."""
    tab = visit(viewport={"width": 360, "height": 640}, color_scheme=scheme, reduced_motion="reduce")
    for model, name, colour, kind in ANSWERS:
        ask(tab, model, name, colour)
        assert tab.page.locator("#answer").get_attribute("data-kind") == kind
        assert tab.page.evaluate(PALE_TEXT) == []
        assert not tab.scrolls_sideways


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(visit: Open, photo: Path, scheme: str) -> None:
    """WCAG AA, 4.5 to 1, for every visible text, answer and problem included; and dark is dark."""
    tab = visit(color_scheme=scheme, reduced_motion="reduce", tolerate=REFUSED)
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in re.findall(r"\d+", paper)) < 3 * 60) == (scheme == "dark")
    assert tab.page.evaluate(PALE_TEXT) == []
    tab.choose(photo)
    assert tab.page.evaluate(PALE_TEXT) == []
    tab.drop(NOT_AN_IMAGE)
    expect(tab.page.locator("#problem")).to_be_visible()
    tab.settle()
    assert tab.page.evaluate(PALE_TEXT) == []


PALE_TEXT = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => numbers(colour).slice(0, 3)
    .map((channel) => channel / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
  };
  const hasText = (node) => [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
  return [...document.querySelectorAll("body *")]
    .filter((node) => hasText(node) && node.checkVisibility() && !node.matches(":disabled, .unseen, noscript"))
    .map((node) => [node, luminance(getComputedStyle(node).color), luminance(background(node))])
    .filter(([, a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
    .map(([node]) => node.outerHTML);
}"""


def test_nothing_moves_for_those_who_ask_for_it(visit: Open, photo: Path) -> None:
    """prefers-reduced-motion stops every animation and transition; otherwise the bars grow."""
    still, lively = visit(reduced_motion="reduce"), visit(reduced_motion="no-preference")
    growing = "getComputedStyle(document.querySelector('.bar'), '::before').animationName"
    for tab, expected in ((still, "none"), (lively, "grow")):
        tab.choose(photo)
        assert tab.page.evaluate(growing) == expected


def test_the_sample_photo_is_one_click_away(visit: Open) -> None:
    """For someone with nothing at hand."""
    tab = visit()
    tab.page.click("#sample")
    expect(tab.page.locator("#predictions li")).to_have_count(5)
    assert "cat" in tab.labels[0]
    assert tab.hidden("#sample")
