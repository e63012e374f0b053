// From the maps of an exported network to people in the pixels of an image, as aemm/ops/people.py does.
// Maps are flat arrays of K planes of h rows and w columns; tags have T x L planes.

"use strict";

/** Size of the network's input and the scale and shift that bring an image there, as FitRules.views for one scale. */
function fitImage(width, height, fit, multiple) {
  if (fit.size === undefined) return { width, height, zoom: 1, left: 0, top: 0 };
  const roundUp = (value) => Math.max(1, Math.floor((value + fit.multiple_of - 1) / fit.multiple_of)) * fit.multiple_of;
  const wide = fit.fit === "long" ? width > height : width < height;
  const fitted = wide ? width : height;
  const length = roundUp(fit.size);
  const other = fit.square ? length : roundUp((length / fitted) * (wide ? height : width));
  const size = wide ? [length, other] : [other, length];
  const zoom = length / fitted;
  const middle = (side) => (fit.center === "whole" ? Math.floor(side / 2 + 0.5) : side / 2);
  const corner = fit.center === "corner";
  return {
    width: size[0],
    height: size[1],
    zoom,
    left: corner ? 0 : size[0] / 2 - zoom * middle(width),
    top: corner ? 0 : size[1] / 2 - zoom * middle(height),
  };
}

/** RGBA pixels as 3 planes of bytes at the input's size, bilinear, black outside. */
function resample(pixels, width, height, place, convention) {
  const area = place.width * place.height;
  const planes = new Uint8Array(3 * area);
  const half = convention === "continuous" ? 0.5 : 0;
  const read = (x, y, c) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : pixels[4 * (y * width + x) + c]);
  for (let row = 0; row < place.height; row++) {
    const y = (row + half - place.top) / place.zoom - half;
    const y0 = Math.floor(y);
    for (let column = 0; column < place.width; column++) {
      const x = (column + half - place.left) / place.zoom - half;
      const x0 = Math.floor(x);
      const fx = x - x0;
      const fy = y - y0;
      for (let c = 0; c < 3; c++) {
        const above = read(x0, y0, c) * (1 - fx) + read(x0 + 1, y0, c) * fx;
        const below = read(x0, y0 + 1, c) * (1 - fx) + read(x0 + 1, y0 + 1, c) * fx;
        planes[c * area + row * place.width + column] = Math.round(above * (1 - fy) + below * fy);
      }
    }
  }
  return planes;
}

/** No heat where the input shows what was padded around the image. */
function clearPadding(maps, place, width, height) {
  const stride = place.width / maps.w;
  const left = Math.max(0, Math.floor(place.left / stride));
  const top = Math.max(0, Math.floor(place.top / stride));
  const right = Math.ceil((place.left + width * place.zoom) / stride);
  const bottom = Math.ceil((place.top + height * place.zoom) / stride);
  for (let at = 0; at < maps.heat.length; at++) {
    const x = at % maps.w;
    const y = Math.floor(at / maps.w) % maps.h;
    if (x < left || x >= right || y < top || y >= bottom) maps.heat[at] = 0;
  }
}

/** Tag of a keypoint's map at a cell. */
function tagAt(maps, k, cell) {
  const area = maps.w * maps.h;
  const plane = maps.T > 1 ? k : 0;
  const tag = [];
  for (let l = 0; l < maps.L; l++) tag.push(maps.tags[(plane * maps.L + l) * area + cell]);
  return tag;
}

/** The strongest local maxima of a keypoint's heatmap, best first. */
function findPeaks(maps, k, rules) {
  const area = maps.w * maps.h;
  const heat = maps.heat.subarray(k * area, (k + 1) * area);
  const reach = (rules.window - 1) / 2;
  const peaks = [];
  for (let cell = 0; cell < area; cell++) {
    const score = heat[cell];
    if (!(score > rules.threshold)) continue;
    const x = cell % maps.w;
    const y = (cell - x) / maps.w;
    let highest = true;
    for (let v = Math.max(0, y - reach); highest && v <= Math.min(maps.h - 1, y + reach); v++) {
      for (let u = Math.max(0, x - reach); u <= Math.min(maps.w - 1, x + reach); u++) {
        if (heat[v * maps.w + u] > score) {
          highest = false;
          break;
        }
      }
    }
    if (highest) peaks.push({ cell, score, tag: tagAt(maps, k, cell) });
  }
  return peaks.sort((a, b) => b.score - a.score || a.cell - b.cell).slice(0, rules.max_peaks);
}

/**
 * The cheapest column for every row of a cost matrix with no more rows than columns. Of several equally cheap
 * solutions it takes that of SciPy's solver, or that of aemm/ops/assignment.py for the tie 'munkres'.
 */
function assign(cost, munkres) {
  const columns = cost.length ? cost[0].length : 0;
  const state = {
    cost,
    munkres,
    rowPrice: cost.map((row) => (munkres ? row.reduce((a, b) => Math.min(a, b)) : 0)),
    columnPrice: new Array(columns).fill(0),
    owner: new Array(columns).fill(-1),
    found: new Array(cost.length).fill(-1),
  };
  const { owner, found } = state;
  if (munkres) {
    cost.forEach((row, i) => { // each takes the first of its cheapest columns that is free
      const free = row.findIndex((value, j) => value === state.rowPrice[i] && owner[j] < 0);
      if (free >= 0) [owner[free], found[i]] = [i, free];
    });
  }
  for (let row = 0; row < cost.length; row++) if (found[row] < 0) fitIn(row, state);
  return found;
}

/** Give a row a column by the cheapest chain of exchanges. */
function fitIn(start, { cost, munkres, rowPrice, columnPrice, owner, found }) {
  const reach = new Array(owner.length).fill(Infinity); // what it costs to come to each column
  const before = new Array(owner.length).fill(-1); // row from which it is reached
  const ahead = owner.map((_, j) => (munkres ? j : owner.length - 1 - j)); // SciPy looks from the end
  const chain = [start];
  const passed = [];
  let least = 0;
  for (;;) {
    const row = chain[chain.length - 1];
    let next = -1;
    let lowest = Infinity;
    ahead.forEach((j, at) => {
      const way = least + cost[row][j] - rowPrice[row] - columnPrice[j];
      if (way < reach[j]) [reach[j], before[j]] = [way, row];
      if (reach[j] < lowest || (!munkres && reach[j] === lowest && owner[j] < 0)) [lowest, next] = [reach[j], at];
    });
    least = lowest;
    const column = ahead[next];
    passed.push(column);
    if (owner[column] < 0) break;
    chain.push(owner[column]);
    const last = ahead.length - 1;
    if (!munkres) [ahead[next], ahead[last]] = [ahead[last], ahead[next]]; // as SciPy takes one out
    ahead.splice(munkres ? next : last, 1);
  }
  for (const row of chain) rowPrice[row] += row === start ? least : least - reach[found[row]];
  for (const column of passed) columnPrice[column] -= least - reach[column];
  for (let column = passed[passed.length - 1]; column >= 0; ) { // everybody on the way hands its column on
    const row = before[column];
    const given = found[row];
    owner[column] = row;
    found[row] = column;
    column = given;
  }
}

/** Round half to even, as NumPy does. */
function roundEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

/** Distance of two tags. */
function apart(a, b, rms) {
  let square = 0;
  for (let l = 0; l < a.length; l++) square += (a[l] - b[l]) ** 2;
  return Math.sqrt(square / (rms ? a.length : 1));
}

/** Peaks of every keypoint assigned to people, keypoint by keypoint; people in the order in which they were started. */
function groupPeaks(peaks, rules) {
  const grouping = rules.grouping;
  const people = [];
  for (const k of grouping.order) {
    const open = people.slice(0, grouping.max_matched);
    if (!peaks[k].length || (grouping.stop_when_full && open.length === grouping.max_matched)) continue;
    const means = open.map((person) => person.sum.map((value) => Math.fround(value / person.count)));
    const gaps = peaks[k].map((peak) => means.map((mean) => apart(peak.tag, mean, grouping.distance === "rms")));
    const near = grouping.tie === "nearest";
    const cost = gaps.map((row, i) => {
      const costs = row.map(
        (gap) =>
          roundEven(gap) * 100 - peaks[k][i].score + (near ? 1e-6 * Math.min(gap, grouping.tag_threshold) : 0),
      );
      while (costs.length < gaps.length) costs.push(near ? 0 : 1e10);
      return costs;
    });
    const partner = assign(cost, grouping.tie === "munkres");
    peaks[k].forEach((peak, i) => {
      const j = partner[i];
      let person = j < open.length && gaps[i][j] < grouping.tag_threshold ? open[j] : null;
      if (!person) {
        person = { peaks: [], sum: peak.tag.map(() => 0), count: 0 };
        people.push(person);
      }
      person.peaks[k] = peak;
      person.sum = person.sum.map((value, l) => Math.fround(value + peak.tag[l]));
      person.count += 1;
    });
  }
  return people;
}

/** The cell where heat and tag of an absent keypoint fit a person best, the first of equals; in float32, as Python. */
function lookUp(maps, k, mean, rules) {
  const area = maps.w * maps.h;
  const single = Math.fround;
  let best = -Infinity;
  let found = 0;
  for (let cell = 0; cell < area; cell++) {
    const tag = tagAt(maps, k, cell);
    let square = 0;
    for (let l = 0; l < tag.length; l++) {
      const gap = single(tag[l] - single(mean[l]));
      square = single(square + single(gap * gap));
    }
    const cost = rules.filled_cost === "squared" ? single(square / 2) : roundEven(single(Math.sqrt(square)));
    const value = single(maps.heat[k * area + cell] - cost);
    if (value > best) {
      best = value;
      found = cell;
    }
  }
  return found;
}

/** Way from the middle of a cell to the keypoint along one axis, from the heat along that axis. */
function shiftAlong(heat, at, length, rules) {
  if (rules.subpixel === "none") return 0;
  if (rules.subpixel === "quarter") {
    const after = Math.min(at + 1, length - 1);
    const before = Math.max(at - 1, 0);
    const rise = heat(after) - heat(before);
    if (rise > 0) return 0.25;
    return rise === 0 && after !== before && rules.tie === "stay" ? 0 : -0.25;
  }
  const middle = Math.min(Math.max(at, 1), Math.max(1, length - 2));
  const log = (i) => Math.log(Math.max(heat(Math.min(Math.max(i, 0), length - 1)), 1e-10));
  const before = log(middle - 1);
  const after = log(middle + 1);
  const bend = before - 2 * log(middle) + after;
  if (!(bend < 0)) return 0;
  const top = (0.5 * (before - after)) / Math.min(bend, -1e-6) + (middle - at);
  return Math.min(0.5, Math.max(-0.5, top));
}

/** People of an image: `keypoints` as K times [x, y, score] in its pixels, `score`, `tag`. */
function decodePeople(maps, place, rules) {
  const area = maps.w * maps.h;
  const peaks = [];
  for (let k = 0; k < maps.K; k++) peaks.push(findPeaks(maps, k, rules));
  const stride = place.width / maps.w;
  let people = groupPeaks(peaks, rules).map((person, at) => {
    let total = 0;
    for (const peak of person.peaks) if (peak) total += peak.score;
    return { person, at, score: total / maps.K, tag: person.sum.map((value) => value / person.count) };
  });
  if (rules.max_instances !== null && people.length > rules.max_instances) {
    people = people.sort((a, b) => b.score - a.score || a.at - b.at).slice(0, rules.max_instances);
    people.sort((a, b) => a.at - b.at);
  }
  return people.map(({ person, score, tag }) => {
    const keypoints = [];
    for (let k = 0; k < maps.K; k++) {
      const peak = person.peaks[k];
      if (!peak && !rules.fill_missing) {
        keypoints.push([0, 0, 0]);
        continue;
      }
      const cell = peak ? peak.cell : lookUp(maps, k, tag, rules);
      const x = cell % maps.w;
      const y = (cell - x) / maps.w;
      const heat = (u, v) => maps.heat[k * area + v * maps.w + u];
      const found = Math.max(heat(x, y), 0);
      const value = peak ? peak.score : rules.filled_score === "one" ? Number(found > 0) : found;
      const column = x + 0.5 + shiftAlong((u) => heat(u, y), x, maps.w, rules);
      const row = y + 0.5 + shiftAlong((v) => heat(x, v), y, maps.h, rules);
      const point = [(column * stride - place.left) / place.zoom, (row * stride - place.top) / place.zoom];
      keypoints.push(value > 0 ? [...point, value] : [0, 0, 0]);
    }
    return { keypoints, score, tag };
  });
}
