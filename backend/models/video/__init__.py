"""What families share that let a stock video pipeline make a shot. No family itself.

window      what a family is given to make one window, and its `Generator`
job         a shot, window by window: projected, generated, matched, locked, given to the sink
projected   what the stills show of each frame, at the shot's size and at the model's
control     inverse depth as a picture, with one range for the whole shot
words       prompts to embeddings, kept on disk
match       colours of a window brought to those that are known
lock        known pixels over generated ones
compositor  a window's frames at the shot's size, and those between them
moving      what moves by itself in a frame between two that were made
options     settings that all of their cards have
parts       a pipeline's parts on disk, loaded one by one
quantised   weights of 4 bits: made once, kept on disk, loaded as they are
held        a pipeline in memory, by the plan that fits; place puts it there
quick       attention and compiling
steps       what a pipeline calls after each step: progress, cancel, a look (preview)
"""
