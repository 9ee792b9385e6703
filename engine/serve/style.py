"""How the page looks: system fonts, no other files; light and dark; from 320 px on."""

CSS = """
:root {
  --cs-paper: #f6f5f1; --cs-card: #ffffff; --cs-ink: #1c1b19; --cs-quiet: #67645d; --cs-rule: #dedad1;
  --cs-accent: #1f4b46; --cs-on-accent: #ffffff; --cs-warn: #9a3412; --cs-track: #d8d4ca; --cs-cut: 50%;
}
.dark {
  --cs-paper: #141517; --cs-card: #1c1e21; --cs-ink: #eceae5; --cs-quiet: #a19e97; --cs-rule: #34373c;
  --cs-accent: #8fd0c4; --cs-on-accent: #10211e; --cs-warn: #f0a27e; --cs-track: #3c4046;
}

/* the frame */
body, gradio-app { background: var(--cs-paper) !important; }
.gradio-container { background: var(--cs-paper) !important; color: var(--cs-ink) !important;
  max-width: none !important; padding: 0 !important; }
.gradio-container .main.fillable { padding: 0 !important; max-width: none !important; }
.gradio-container main { box-sizing: border-box; width: 100%; max-width: 1240px !important;
  margin: 0 auto !important; padding: 30px 28px 56px !important; }
.gradio-container .html-container { padding: 0 !important; }
.gradio-container .prose { color: inherit; font-size: inherit; max-width: none; }
footer { display: none !important; }
#cs-head { margin-bottom: 14px; }
#cs-head h1 { margin: 0; font-size: 21px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em;
  color: var(--cs-ink); }
#cs-head p { margin: 3px 0 0; font-size: 14px; color: var(--cs-quiet); }
#cs-body { gap: 44px; align-items: flex-start; flex-wrap: nowrap; }
#cs-controls { flex: 0 0 280px !important; min-width: 0 !important; gap: 18px; }
#cs-result { flex: 1 1 0 !important; min-width: 0 !important; gap: 18px; }

/* what is chosen */
#cs-controls .block, #cs-controls .form, #cs-result .form, #cs-controls fieldset { padding: 0; border: 0;
  background: none;
  box-shadow: none; overflow: visible; }
#cs-controls .form { gap: 14px; }
#cs-controls span[data-testid="block-info"], #cs-threshold span[data-testid="block-info"] { display: block;
  margin: 0 0 6px; padding: 0; background: none; font-size: 14px; font-weight: 600; color: var(--cs-ink); }
#cs-controls input[type=number], #cs-controls input[type=text], #cs-controls textarea { padding: 9px 11px;
  border: 1px solid var(--cs-rule); border-radius: 8px; background: var(--cs-card); box-shadow: none; font-size: 16px;
  color: var(--cs-ink); }
#cs-controls .wrap:has(> label > input[type=radio]) { flex-direction: column; gap: 0; }
#cs-controls label:has(> input[type=radio]) { padding: 4px 0; border: 0; background: none; box-shadow: none;
  font-size: 15px;
  color: var(--cs-ink); }
.gradio-container input[type=radio]:checked { border-color: var(--cs-accent) !important;
  background-color: var(--cs-accent) !important; }
#cs-photo, #cs-photo > * { min-height: 0; }
#cs-photo button { width: 100%; border: 1.5px dashed var(--cs-rule) !important; border-radius: 10px;
  background: var(--cs-card) !important; }
#cs-photo button:hover { border-color: var(--cs-accent) !important; }
#cs-photo button .wrap { min-height: 0; padding: 12px 20px; font-size: 0; line-height: 0; }
#cs-photo button .wrap * { font-size: 0; color: var(--cs-quiet); }
#cs-photo button .wrap::after { content: "Choose a photograph, or drop it here"; margin-top: 4px; font-size: 15px;
  line-height: 1.4; color: var(--cs-ink); }
#cs-photo .icon-button-wrapper, #cs-photo table { background: none; }
#cs-photo .file-preview-holder { border: 1px solid var(--cs-rule); border-radius: 10px; background: var(--cs-card); }
#cs-photo td.download { display: none; }
#cs-photo .icon-button-wrapper { border: 0; box-shadow: none; }
#cs-example { width: auto; min-height: 0; margin-top: -10px; padding: 0 !important; justify-content: flex-start;
  border: 0 !important; background: none !important; box-shadow: none !important; font-size: 14px; font-weight: 400;
  color: var(--cs-quiet) !important; text-decoration: underline; text-underline-offset: 3px; }
#cs-find { padding: 12px 18px; border: 0 !important; border-radius: 9px; background: var(--cs-accent) !important;
  box-shadow: none !important; font-size: 16px; font-weight: 600; color: var(--cs-on-accent) !important; }
#cs-find:disabled { opacity: .4; }
#cs-controls .cs-help { margin: 0; font-size: 13px; line-height: 1.45; color: var(--cs-quiet); }

/* the answer */
#cs-answer { min-height: 84px; scroll-margin-top: 16px; }
#cs-answer h2 { margin: 0; font-size: clamp(25px, 2.9vw, 36px); line-height: 1.16; letter-spacing: -.02em;
  font-weight: 680;
  color: var(--cs-ink); text-wrap: balance; overflow-wrap: anywhere; }
#cs-answer p { max-width: 72ch; margin: 8px 0 0; font-size: 14.5px; line-height: 1.5; color: var(--cs-quiet);
  overflow-wrap: anywhere; }
#cs-answer .cs-name { margin: 0 0 4px; }
#cs-answer .cs-quiet h2 { font-weight: 600; font-size: 25px; }
#cs-answer .cs-refused h2 { font-size: 25px; color: var(--cs-warn); }
#cs-answer .cs-refused p { font-size: 16px; color: var(--cs-ink); }

#cs-result [data-testid="status-tracker"] { display: none; }
#cs-answer:has([data-testid="status-tracker"]:not(.hide)) .cs-answer:not(.cs-quiet) { opacity: .45; }
#cs-answer .cs-bar { height: 3px; max-width: 320px; margin-top: 14px; overflow: hidden; border-radius: 2px;
  background: var(--cs-track); }
#cs-answer .cs-bar::after { content: ""; display: block; width: 38%; height: 100%; border-radius: 2px;
  background: var(--cs-accent); animation: cs-run 1.4s ease-in-out infinite alternate; }
@keyframes cs-run { from { translate: -10% 0; } to { translate: 175% 0; } }
@media (prefers-reduced-motion: reduce) { #cs-answer .cs-bar::after { animation: none; width: 100%; opacity: .5; } }

/* the picture */
.gradio-container .cs-picture { margin: 0; }
.cs-stage { position: relative; max-width: calc(80vh * var(--ratio)); overflow: hidden; border-radius: 10px;
  background: var(--cs-card); line-height: 0; }
.gradio-container .cs-stage img { display: block; width: 100%; max-width: none; height: auto; margin: 0;
  border-radius: 0;
  user-select: none; }
.gradio-container .cs-stage .cs-before { position: absolute; inset: 0; height: 100%;
  clip-path: inset(0 calc(100% - var(--cs-cut)) 0 0); }
.cs-line { position: absolute; top: 0; bottom: 0; left: var(--cs-cut); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 0 1px rgb(0 0 0 / .25); }
.cs-line::after { content: "\\2194"; position: absolute; top: 50%; left: 50%; translate: -50% -50%; width: 36px;
  height: 36px;
  border-radius: 50%; background: #fff; box-shadow: 0 1px 4px rgb(0 0 0 / .4);
  font: 600 17px/35px system-ui, sans-serif;
  color: #1c1b19; text-align: center; }
.gradio-container .cs-stage input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; touch-action: pan-y; }
.cs-stage:has(input:focus-visible) { outline: 3px solid var(--cs-accent); outline-offset: 2px; }
.cs-chip { position: absolute; top: 10px; padding: 5px 9px; border-radius: 6px; background: rgb(20 20 20 / .72);
  font-size: 12.5px; line-height: 1.2; color: #fff; pointer-events: none; }
.cs-left { left: 10px; }
.cs-right { right: 10px; }
.gradio-container .cs-picture figcaption { display: flex; max-width: calc(80vh * var(--ratio));
  justify-content: space-between; gap: 12px; margin-top: 8px;
  font-size: 13px; line-height: 1.4; color: var(--cs-quiet); }
.gradio-container .cs-picture figcaption * { color: inherit; }
.cs-picture output { font-variant-numeric: tabular-nums; white-space: nowrap; }

/* the threshold */
#cs-threshold { padding: 0; border: 0; background: none; box-shadow: none; }
#cs-threshold > *, #cs-threshold .wrap { background: none; }
#cs-threshold input[type=range] { accent-color: var(--cs-accent); }
#cs-threshold input[type=number] { border: 1px solid var(--cs-rule); border-radius: 6px; background: var(--cs-card);
  font-size: 15px; color: var(--cs-ink); }
#cs-threshold .min_value, #cs-threshold .max_value { color: var(--cs-quiet); }

/* the figures */
.gradio-container .cs-table table { width: 100%; margin: 0; border: 0; border-collapse: collapse; font-size: 15px;
  font-variant-numeric: tabular-nums; }
.gradio-container .cs-table tr { border: 0; }
.gradio-container .cs-table :is(th, td) { padding: 8px 0 8px 10px; border: 0; border-bottom: 1px solid var(--cs-rule);
  background: none; color: var(--cs-ink); text-align: right; white-space: nowrap; }
.gradio-container .cs-table thead th { padding-top: 0; font-size: 13.5px; font-weight: 500; color: var(--cs-quiet);
  vertical-align: bottom; white-space: normal; }
.gradio-container .cs-table thead small { font-size: inherit; color: inherit; white-space: nowrap; }
.cs-table thead small::before { content: " / "; }
.gradio-container .cs-table tbody th { width: 1.6em; padding-left: 0; font-weight: 650; text-align: left; }
.gradio-container .cs-table p { margin: 10px 0 0; font-size: 13px; line-height: 1.5; color: var(--cs-quiet); }
.gradio-container .cs-table .cs-direction { color: inherit; }
.cs-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.cs-downloads { display: flex; flex-wrap: wrap; gap: 10px; }
.gradio-container a.cs-button { padding: 10px 16px; border: 1px solid var(--cs-rule); border-radius: 9px;
  background: var(--cs-card); font-size: 15px; font-weight: 550; color: var(--cs-ink); text-decoration: none; }
.gradio-container a.cs-button:hover { border-color: var(--cs-accent); }
.gradio-container .cs-limits { margin-top: 18px; font-size: 14px; line-height: 1.5; color: var(--cs-quiet); }
.gradio-container .cs-limits summary { color: inherit; cursor: pointer; }
.gradio-container .cs-limits ul { margin: 8px 0 0; padding-left: 18px; list-style: disc; }
.gradio-container .cs-limits li { margin: 4px 0; color: inherit; }

@media (max-width: 820px) {
  .gradio-container main { padding: 20px 16px 40px !important; }
  #cs-body { flex-direction: column; gap: 28px; }
  #cs-controls, #cs-result { flex: none !important; width: 100%; }
  .gradio-container .cs-table table { font-size: 14px; }
  .gradio-container .cs-table :is(th, td) { padding-left: 4px; }
}
@media (max-width: 480px) {
  .cs-table :is(th, td):nth-child(5), .cs-table .cs-direction { display: none; }
}
"""
