"""Find the cracks in photographs of your own, and restore the small ones.

python predict.py photo.jpg                              results/photo_mask.png and more
python predict.py photo.jpg folder/ -o results/          files and folders
python predict.py 'site/**/*.jpg' -o results/            and patterns, in quotes; ** stands for any folders
python predict.py folder/ --restore never                segment as they are: quick, for large photographs
python predict.py photo.jpg --weights experiments/joint/models/best.pth --threshold 0.3 --overwrite
python predict.py photo.jpg --weights compact            the shipped weights, whatever was trained since
python predict.py folder/ --mm-per-pixel 0.2 --min-length 50    how long, how wide, in mm too; cracks from 50 px on
python predict.py folder/ --rle submission.csv           and a CSV file of masks as runs, for competitions
python predict.py folder/ --coco cracks.json --yolo labels/      masks for labelling tools and other networks
python predict.py folder/ --resume                       go on with a batch that was stopped
python predict.py --export onnx -o model.onnx            the model for other programs, instead of predicting
python predict.py --export deepness -o qgis.onnx         the model for the QGIS plugin Deepness
python predict.py --serve                                a page in a browser to try it, at http://127.0.0.1:7860
python predict.py photo.jpg --weights model.onnx         the same predictions by onnxruntime, on the CPU
python predict.py mosaic.tif -o results/                 an orthomosaic of any size: rasters and layers for maps

Each photograph STEM gives, in the results folder:
  STEM_mask.png         cracks white, at the photograph's own size (a pixel that a crack runs through)
  STEM_overlay.png      the photograph with the cracks tinted and outlined
  STEM_probability.png  grey, 0 to 255 for 0 to 1, at the photograph's own size
  STEM_restored.png     the restored image, 4 times larger (the model's scale), if restored
  STEM_mask_x4.png      the mask of the restored image
and with --measure, all in pixels of the photograph (and mm):
  STEM_overlay.png      centrelines in the colours of their local width, enlarged if small, with a legend below
  STEM_cracks.json      length, widths, place of every crack, with uncertainties; centrelines, local widths
  STEM_cracks.geojson   centrelines for maps, with --geojson
  summary.csv           a line for each photograph

A photograph that cannot be read is left out and named at the end, with exit code 2; the others are done. Each result
tells ('made-with', in PNG text or JSON) what it was made with, so that --resume mixes nothing. Pictures keep the EXIF
data of the photograph, its date and place, without the orientation: they are upright.

Photographs of any size work, in blended tiles. Memory: one tile in the network (1 to 2 GB with a compact
model), and 0.35 GB for each megapixel to restore (0.6 GB if the model hands features over), 0.025 GB otherwise:
for 12 megapixels 0.3 GB beside the tile, or 4.2 GB with --restore always. --measure takes up to 0.04 GB more for each
megapixel where it is segmented: of a restored one 0.6 GB. What does not fit is left out.
"""

from __future__ import annotations

import argparse
from os.path import expanduser

from contracts.errors import UserError, run_main
from contracts.paths import user_path
from engine.export.arguments import add_export
from engine.mosaic.arguments import add_mosaics
from engine.predict.arguments import add_exchange, add_measuring, check_together
from engine.predict.scale import ScaleChoice
from engine.serve.arguments import add_serve, checked_address


def parse() -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    add = parser.add_argument
    add("inputs", nargs="*", type=user_path, metavar="PHOTO", help="photographs, folders of them, patterns")
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
    add("--overwrite", action="store_true", help="replace earlier results")
    add(
        "--resume",
        action="store_true",
        help="go on with a batch: leave results alone that are complete, made with the same weights, "
        "options, kind of device and precision, and do the rest; with --overwrite also what was made otherwise",
    )
    add_ways(parser)
    add_measuring(parser)
    add_exchange(parser)
    add_export(parser)
    add_serve(parser)
    add_mosaics(parser)
    given = parser.parse_args()
    check_together(parser, given)
    return given


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
    add(
        "--runtime",
        choices=("auto", "torch", "onnxruntime", "openvino"),
        default="auto",
        help="what computes the networks; openvino is the quickest on CPUs (pip install onnx openvino); auto: torch, "
        "and onnxruntime for an exported model",
    )


def main() -> None:
    chosen = vars(parse())
    mosaic = {name: chosen.pop(name) for name in ("mosaic", "probability")}
    inputs, opt, weights, target = (chosen.pop(name) for name in ("inputs", "opt", "weights", "export"))
    resolution, served, host, port = (chosen.pop(name) for name in ("resolution", "serve", "host", "port"))
    address = checked_address(served, host, port)
    if target == "deepness":
        from engine.export.deepness import RESOLUTION, export_deepness

        ways = {name: chosen[name] for name in ("threshold", "tile", "overlap")}
        restored, resolution = chosen["restore"] == "always", RESOLUTION if resolution is None else resolution
        export_deepness(chosen["out"], opt, weights, chosen["overwrite"], restored, **ways, resolution=resolution)
        return
    if target is not None:
        from engine.export.run import export

        export(chosen["out"], opt, weights, chosen["overwrite"])
        return
    from engine.predict.plan import Settings

    scale = ScaleChoice.taken_from(chosen)
    settings = Settings(scale=scale, **{name: value for name, value in chosen.items() if value is not None})
    if served:
        from engine.serve.server import serve

        serve(settings, opt, weights, *address)
        return
    if not inputs:
        raise UserError("no photograph given; name files or folders, as in 'python predict.py photo.jpg'")
    from engine.mosaic.detect import split

    mosaics, photographs = split(inputs, mosaic.pop("mosaic"))
    if mosaics:
        from engine.mosaic.run import predict_mosaics

        predict_mosaics(mosaics, settings, mosaic["probability"], opt, weights)
        return
    if mosaic["probability"]:
        raise UserError("--probability is for mosaics, and there is none; leave it out")
    from engine.predict.run import predict

    predict(photographs, settings, opt, weights)


if __name__ == "__main__":
    run_main(main)
