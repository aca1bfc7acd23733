"""What is done to an image: functions of bytes, which run in a process behind walls (`decoder.py`) and nowhere else."""
