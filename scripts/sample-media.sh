#!/usr/bin/env bash
# Makes the sample programme of the demo, agent/server/sample/media: three slides and a short video, under 400 KiB in all.
# They are kept in the repository, so that the demo needs none of the tools used here: Chromium, ImageMagick, ffmpeg.
set -euo pipefail
cd "$(dirname "$0")/.."
out=agent/server/sample/media
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# slide NAME: draws the page on standard input, 1280 by 720.
slide() {
	{
		cat <<-'STYLE'
			<!doctype html><meta charset="utf-8"><style>
			* { box-sizing: border-box; margin: 0 }
			body { width: 1280px; height: 720px; overflow: hidden; font-family: "DejaVu Sans", sans-serif; color: #f7f4ee; position: relative }
			h1 { font-weight: 600; letter-spacing: -.02em } .small { font-size: 22px; letter-spacing: .22em; text-transform: uppercase; opacity: .8 }
			table { border-collapse: collapse; width: 100% } td { padding: 17px 0; font-size: 31px; border-bottom: 1px solid #ffffff22 } td:last-child { text-align: right }
			</style>
		STYLE
		cat
	} >"$work/$1.html"
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 --window-size=1280,720 \
		--user-data-dir="$work/profile" --screenshot="$work/$1.png" "file://$work/$1.html" 2>/dev/null
}

slide 1-welcome <<'HTML'
<body style="background: linear-gradient(168deg, #14213d 0%, #3d3a5c 38%, #b5616a 68%, #f4a259 100%)">
<div style="position:absolute; left:815px; top:330px; width:230px; height:230px; border-radius:50%; background:#ffe3a8; box-shadow:0 0 140px 40px #ffcf7a88"></div>
<div style="position:absolute; left:-60px; right:-60px; top:500px; height:320px; background:#1d2440; border-radius:50% 46% 0 0 / 26% 18% 0 0"></div>
<div style="position:absolute; left:470px; right:-260px; top:575px; height:400px; background:#141a31; border-radius:50%"></div>
<div style="position:absolute; left:90px; top:120px"><p class="small">Harbour House</p><h1 style="font-size:104px; line-height:1.08; margin-top:22px">Good morning.<br>Welcome.</h1></div>
HTML

slide 2-lunch <<'HTML'
<body style="background: radial-gradient(circle at 85% 15%, #2f6f62 0%, #12433c 45%, #0b2b28 100%); padding: 74px 90px">
<p class="small" style="color:#f2c879">Canteen, 12 to 2</p><h1 style="font-size:74px; margin:10px 0 26px">Today’s lunch</h1>
<table><tr><td>Roasted pumpkin soup, sage<td>4.50<tr><td>Barley risotto with spring leeks<td>8.90<tr><td>Baked cod, lemon and capers<td>11.50<tr><td>Plum crumble<td>3.80</table>
HTML

slide 3-rooms <<'HTML'
<body style="background: linear-gradient(120deg, #101820, #1c2b3a 60%, #24405a); padding: 74px 90px">
<p class="small" style="color:#7fc8f8">Second floor</p><h1 style="font-size:74px; margin:10px 0 26px">Meeting rooms</h1>
<table><tr><td>Lighthouse<td style="color:#8ee3a1">free until 14:00<tr><td>Compass<td style="color:#f7a072">Design review, to 11:30<tr><td>Anchor<td style="color:#8ee3a1">free all day<tr><td>Sextant<td style="color:#f7a072">Interviews, to 16:00</table>
HTML

for name in 1-welcome 2-lunch 3-rooms; do
	convert "$work/$name.png" -quality 88 -strip "$out/$name.jpg"
done

ffmpeg -v error -y -f lavfi -i "gradients=size=1280x720:rate=25:duration=6:speed=0.02:c0=0x0d1b2a:c1=0x1b4965:c2=0x5fa8d3:c3=0x0d1b2a:n=4:seed=7" -vf "\
drawtext=font='DejaVu Sans':text='Videos play to their end.':fontcolor=white:fontsize=66:x=90:y=300:alpha='min(1,t)',\
drawtext=font='DejaVu Sans':text='%{eif\:6-t\:d}':fontcolor=white@0.85:fontsize=120:x=w-tw-90:y=h-200" \
	-c:v libvpx-vp9 -b:v 260k -deadline good -cpu-used 2 -row-mt 0 -threads 1 -an -fflags +bitexact -flags:v +bitexact "$out/4-film.webm"

total=$(du -cb "$out"/* | tail -n 1 | cut -f 1)
echo "$total bytes in $out"
[ "$total" -lt $((400 * 1024)) ]
