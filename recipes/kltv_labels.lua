-- How many labels do images without labels, and the second task, stand for?
-- Imran, Terzopoulos, arXiv:1908.03693: 5 to 100 % of the labels, smaller shares within larger ones.
-- rille run kltv_labels --vary data.labelled.share=0.05,0.1,0.2,0.5,1 mode=semi,supervised,segment,classify
-- A column of manifest.csv may say which rows come first: --set data.labelled.column=seg_labelled
local rl = require "rille"

local R = rl.recipe "kltv"

R.data.labelled = { share = 0.05 }

-- A step is a step at every share: few labels mean more passes over them.
R.presets.paper.ends = { steps = 12000 } -- as many as 200 passes over 480 labelled images

return R
