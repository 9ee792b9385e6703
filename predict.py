"""Find the cracks in photographs of your own, and restore the small ones.

python predict.py photo.jpg                              results/photo_mask.png and more
python predict.py photo.jpg folder/ -o results/          files and folders
python predict.py folder/ --restore never                segment as they are: quick, for large photographs
python predict.py photo.jpg --weights experiments/joint/models/best.pth --threshold 0.3 --overwrite
python predict.py photo.jpg --weights compact            the shipped weights, whatever was trained since
python predict.py folder/ --rle submission.csv           and a CSV file of masks as runs, for competitions
python predict.py folder/ --resume                       go on with a batch that was stopped
python predict.py --export onnx -o model.onnx            the model for other programs, instead of predicting
python predict.py photo.jpg --weights model.onnx         the same predictions by onnxruntime, on the CPU
python predict.py mosaic.tif -o results/                 an orthomosaic of any size: rasters and layers for maps

Each photograph STEM gives, in the results folder:
  STEM_mask.png         cracks white, at the photograph's own size (a pixel that a crack runs through)
  STEM_overlay.png      the photograph with the cracks tinted and outlined
  STEM_probability.png  grey, 0 to 255 for 0 to 1, at the photograph's own size
  STEM_restored.png     the restored image, 4 times larger (the model's scale), if restored
  STEM_mask_x4.png      the mask of the restored image: use this one to measure widths and areas

A photograph that cannot be read is left out and named at the end, with exit code 2; the others are done. Each result
tells in its PNG text 'made-with' what it was made with, so that --resume mixes nothing.

Photographs of any size work, in blended tiles. Memory: one tile in the network (1 to 2 GB with a compact
model), and 0.35 GB for each megapixel to restore (0.6 GB if the model hands features over), 0.05 GB otherwise:
for 12 megapixels 0.6 GB beside the tile, or 4.2 GB with --restore always.
"""

from __future__ import annotations

import argparse
from os.path import expanduser

from contracts.errors import UserError, run_main
from contracts.paths import user_path


def parse() -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    add = parser.add_argument
    add("inputs", nargs="*", type=user_path, metavar="PHOTO", help="photographs, or folders of them")
    add(
        "-o",
        dest="out",
        type=user_path,
        metavar="DIR",
        help="where to write (results); with --export the file (beside the weights)",
    )
    add("-opt", type=expanduser, metavar="FILE", help="options file; unset: the options kept in the weights")
    add(
        "--weights",
        type=expanduser,
        metavar="FILE",
        help="weights, a shipped folder or its name, or an exported model (.onnx); unset: best, else latest, of the "
        "newest experiment below experiments/; weights/compact, if there is none or all are older than that was made",
    )
    add(
        "--export",
        choices=("onnx",),
        help="write the model as an ONNX file, and predict nothing: lr [1,3,h,w], RGB in [0,1], any sides -> "
        "restored, kernel, logits, probability; needs 'pip install onnx onnxruntime'",
    )
    add(
        "--rle",
        type=user_path,
        metavar="FILE",
        help="also write masks as a CSV file of runs (ImageId,EncodedPixels; down the columns, from 1)",
    )
    add("--overwrite", action="store_true", help="replace earlier results")
    add(
        "--resume",
        action="store_true",
        help="go on with a batch: leave results alone that are complete, made with the same weights, "
        "options, kind of device and precision, and do the rest; with --overwrite also what was made otherwise",
    )
    add_ways(parser)
    add_mosaics(parser)
    return parser.parse_args()


def add_ways(parser: argparse.ArgumentParser) -> None:
    """The arguments that change what is found, or how fast."""
    add = parser.add_argument_group("how cracks are looked for").add_argument
    add(
        "--restore",
        choices=("auto", "always", "never"),
        default="auto",
        help="restore before segmenting; auto: photographs up to 0.04 megapixels (200x200), and up to 1.5 megapixels "
        "those in which cracks narrower than 4 px on average are found without; always: also in larger ones",
    )
    add("--threshold", type=float, default=0.5, metavar="P", help="crack from this probability on (0.5)")
    add(
        "--tile",
        type=int,
        default=256,
        metavar="PX",
        help="side of a tile in pixels of the photograph before restoring (256); the segmentation sees "
        "tiles of that times the scale; smaller ones need less memory",
    )
    add("--overlap", type=int, default=32, metavar="PX", help="overlap of tiles, blended (32)")
    add(
        "--min-area",
        dest="minimum_area",
        type=int,
        metavar="PX",
        help="regions of fewer pixels, where it was segmented, are no cracks (unset: as the weights' options say)",
    )
    add(
        "--bits",
        type=int,
        choices=(8, 10, 12, 14, 16),
        help="of the values in 16-bit files (unset: the fewest that hold them, told with each photograph)",
    )
    add(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of the networks; auto: as evaluation.precision of the weights' options, which is by itself bfloat16 on "
        "GPUs and CPUs that compute it natively, else float32",
    )


def add_mosaics(parser: argparse.ArgumentParser) -> None:
    """The arguments of mosaics alone."""
    told = (
        "GeoTIFF files give STEM_mask.tif (cloud-optimised), STEM_cracks.gpkg and STEM_cracks.geojson (centrelines\n"
        "with lengths and widths), in memory of constant size; --restore auto means never: docs/mosaics.md. They need\n"
        "'pip install rasterio pyogrio shapely skan'"
    )
    add = parser.add_argument_group("orthomosaics", told).add_argument
    add(
        "--mosaic",
        choices=("auto", "always", "never"),
        default="auto",
        help="take files as mosaics; auto: TIFF files with a georeference, or of more than 100 megapixels",
    )
    add(
        "--mm-per-pixel",
        dest="mm_per_pixel",
        type=float,
        metavar="X",
        help="the size of a pixel on the ground (unset: as the coordinate system says)",
    )
    add("--probability", action="store_true", help="also write STEM_probability.tif")


def main() -> None:
    chosen = vars(parse())
    mosaic = {name: chosen.pop(name) for name in ("mosaic", "mm_per_pixel", "probability")}
    inputs, opt, weights, target = (chosen.pop(name) for name in ("inputs", "opt", "weights", "export"))
    if target is not None and inputs:
        raise UserError(f"{inputs[0]}: --export writes the model and takes no photographs; leave one of them out")
    if target is not None and chosen["precision"] == "bfloat16":
        raise UserError("--precision bfloat16: a model is exported in float32; leave --precision out")
    if target is not None:
        from engine.export.run import export

        export(chosen["out"], opt, weights, chosen["overwrite"])
        return
    if not inputs:
        raise UserError("no photograph given; name files or folders, as in 'python predict.py photo.jpg'")
    from engine.mosaic.detect import split
    from engine.predict.plan import Settings

    settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    mosaics, photographs = split(inputs, mosaic.pop("mosaic"))
    if mosaics:
        from engine.mosaic.run import Choice, predict_mosaics

        predict_mosaics(mosaics, settings, Choice(**mosaic), opt, weights)
        return
    for name, value in mosaic.items():
        if value:
            raise UserError(f"--{name.replace('_', '-')} is for mosaics, and there is none; leave it out")
    from engine.predict.run import predict

    predict(photographs, settings, opt, weights)


if __name__ == "__main__":
    run_main(main)
