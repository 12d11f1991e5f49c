"""The colours of the report, for the page's custom properties and for charts."""

LIGHT = {
    "paper": "#f7f5ef",
    "sheet": "#fffefb",
    "ink": "#16191d",
    "soft": "#5a5f66",
    "rule": "#dcd8cd",
    "right": "#00705a",
    "wrong": "#b8500a",
    "cool": "#2f62a8",
}
DARK = {
    "paper": "#14161a",
    "sheet": "#1c1f24",
    "ink": "#efece4",
    "soft": "#a5a79f",
    "rule": "#363b43",
    "right": "#4fc3a1",
    "wrong": "#f0944d",
    "cool": "#83b0ee",
}
"""Green-blue against orange, from the pairs that colour-blind people can distinguish. Source: Okabe and Ito, 2008."""
CLASSES = ("#3f90da", "#e6930a", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#5bbfc4")
"""Ten colours that are distinct in light and dark and for colour-blind people; after Petroff, 2021."""
