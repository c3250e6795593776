-- Does the recogniser still help where images are very bad: strong noise, counts of few photons, blur?
-- Table III of Zhang and Cheng, arXiv:2501.01114: segmentation, Gaussian noise of 0.3, then Poisson noise of
-- rate 0.1, then a blur of sigma 2.
-- rille run gradprom_hard --vary strategy=benchmark_clean,none,joint,frozen,hard --vary supervised=true,false
-- rille run gradprom_hard --vary poisson=A,B    the two readings of "rate 0.1"
local rl = require "rille"

local R = rl.recipe "gradprom"
R.options.degradation, R.options.task = "hard", "segment"
return R
