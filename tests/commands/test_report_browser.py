"""The report in headless Chromium, driven by ChromeDriver."""

import shutil

import pytest

from reproduce._report import page, reading
from tests.commands.test_report import NOW
from tests.runs_on_disk import make_run

pytestmark = pytest.mark.exhaustive
WIDTH = 390  # screen width of a phone


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    paths = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    binary, driver = next(filter(None, paths), None), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("needs Chromium and ChromeDriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for word in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-sync",
                 "disable-background-networking", "disable-component-update"):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("shown") / "runs"
    for seed, fid in enumerate((9.0, 100.0, 20.5)):
        make_run(runs_dir, {50: 200.0, 100: fid}, objective="lsgan", seed=seed)
    make_run(
        runs_dir, objective="rumi_lsgan", finished=False, width=0.5, learning_rate=3e-4,
        batch_size=32, beta_1=0.25, label_b_pos=3.0, latent_dim=50,
    )  # fmt: skip
    make_run(runs_dir, {100: 50.0}, dataset="mnist", objective="acgan",
             note="a_long_word_without_a_break_" * 9)  # fmt: skip
    path = runs_dir / "report.html"
    text = page.render(reading.read_runs(runs_dir), runs_dir, "Runs " + "x" * 120, NOW)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(browser, address):
    """Opens the page at a screen width and colour scheme."""

    def show(width=1280, scheme="light"):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.get("about:blank")
        browser.get(address)
        return browser

    yield show
    assert browser.get_log("browser") == []  # no errors


def column(browser, title):
    """Texts of a column of the visible runs, in display order."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#runs-table tbody tr:not([hidden])')]"
        ".map(r => [...r.cells].find(c => c.dataset.label === arguments[0]).textContent)",
        title,
    )


def click(browser, title, key=False):
    from selenium.webdriver import Keys

    button = next(
        b
        for b in browser.find_elements("css selector", "#runs-table th button")
        if b.text.strip().startswith(title)
    )
    if key:
        button.send_keys(Keys.ENTER)
    else:
        button.click()
    return button.find_element("xpath", "..").get_attribute("aria-sort")


@pytest.mark.parametrize("key", [False, True], ids=["mouse", "keyboard"])
def test_clicking_a_title_sorts_with_missing_values_last(shown, key):
    browser = shown()
    assert click(browser, "fd_classifier", key) == "ascending"
    assert column(browser, "fd_classifier") == ["9", "20.5", "50", "100", ""]
    assert click(browser, "fd_classifier", key) == "descending"
    assert column(browser, "fd_classifier") == ["100", "50", "20.5", "9", ""]
    assert click(browser, "objective", key) == "ascending"
    assert column(browser, "objective") == ["acgan", "lsgan", "lsgan", "lsgan", "rumi_lsgan"]
    assert column(browser, "fd_classifier")[1:4] == ["100", "20.5", "9"]  # the sort is stable
    states = browser.execute_script(
        "return [...document.querySelectorAll('#runs-table th')].map(t => t.ariaSort)"
    )
    assert sorted(set(states)) == ["ascending", "none"] and states.count("ascending") == 1


def test_the_filter_keeps_rows_and_cards_with_all_words(shown):
    browser = shown()
    field = browser.find_element("id", "filter")
    field.send_keys("LSGAN finished digits")
    assert column(browser, "seed") == ["0", "1", "2", "0"]  # "unfinished" contains "finished"
    field.send_keys(" seed2")
    assert column(browser, "seed") == ["2"]
    assert browser.find_element("id", "shown").text == "1 of 5 runs"
    cards = browser.find_elements("css selector", "details.card")
    assert [card.is_displayed() for card in cards].count(True) == 1


def test_a_link_unfolds_the_run(shown):
    browser = shown()
    link = browser.find_element("css selector", "#runs-table tbody a")
    card = browser.find_element("id", link.get_attribute("hash")[1:])
    assert card.get_attribute("open") is None
    link.click()
    assert card.get_attribute("open") is not None
    picture = card.find_element("css selector", "img")
    assert picture.is_displayed() and picture.get_property("naturalWidth") == 320


def brightness(browser):
    """Brightness of background and text, in [0, 255]."""
    colours = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    return [sum(map(int, c[c.index("(") + 1 : -1].split(", ")[:3])) / 3 for c in colours]


def test_the_theme_follows_the_system_and_the_button_changes_it(shown):
    browser = shown(scheme="light")
    back, text = brightness(browser)
    assert back > 200 > 60 > text
    browser = shown(scheme="dark")
    back, text = brightness(browser)
    assert back < 60 < 200 < text
    button = browser.find_element("id", "theme")
    button.click()
    assert button.text == "theme: light" and brightness(browser)[0] > 200
    button.click()
    assert button.text == "theme: dark" and brightness(browser)[0] < 60
    button.click()
    assert button.text == "theme: auto"


@pytest.mark.parametrize("width", [320, WIDTH, 768, 1280])
def test_nothing_is_wider_than_the_screen(shown, width):
    browser = shown(width)
    if width <= WIDTH:
        assert browser.execute_script("return innerWidth") == width
    browser.find_element("id", "unfold").click()
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth,"
        " ...[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth)]"
    )
    assert wide[0] <= width
    if width <= WIDTH:  # on a phone, tables fit too
        assert max(wide) <= width


def test_all_runs_are_shown_without_javascript(shown):
    browser = shown()
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.refresh()
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert not browser.find_element("id", "theme").is_displayed()
    assert not browser.find_element("id", "filter").is_displayed()
    assert len(browser.find_elements("css selector", "#runs-table tbody tr")) == 5
