"""Where stacks are trained: in this process, or by joblib, submitit or Ray."""
