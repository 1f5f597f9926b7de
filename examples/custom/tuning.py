"""Tuning a controller: the gains (P, I, D) that bring a slow, delayed plant to its new set point soonest.

The plant is ``T y' + y = u(t - delay)``, simulated by Euler's method. The objective is the integral of time-weighted
absolute error (ITAE); the overshoot is limited by a constraint.
"""

import numpy as np

import evo

STEP = 0.01
"""Seconds."""


class StepResponse(evo.Problem):
    """Response of the controlled plant to a step of the set point from 0 to 1.

    Parameters
    ----------
    delay
        Dead time of the plant, seconds.
    time_constant
        T, seconds.
    max_overshoot
        As a share of the step.
    horizon
        Seconds simulated.
    """

    space = evo.Real([0.0, 0.0, 0.0], [10.0, 10.0, 2.0])

    def __init__(
        self, delay: float = 0.3, time_constant: float = 1.0, max_overshoot: float = 0.1, horizon: float = 8.0
    ) -> None:
        self.delay = delay
        self.time_constant = time_constant
        self.max_overshoot = max_overshoot
        self.horizon = horizon

    def evaluate(self, x: np.ndarray) -> evo.Evaluation:
        """``(batch, 3)`` gains -> ITAE ``(batch,)``, violation ``(batch,)``."""
        steps, lag = round(self.horizon / STEP), max(1, round(self.delay / STEP))
        proportional, integral, derivative = x.T
        inputs = np.zeros((steps, len(x)))
        y = np.zeros(len(x))
        accumulated, error_before = np.zeros(len(x)), np.ones(len(x))
        itae, peak = np.zeros(len(x)), np.zeros(len(x))
        for k in range(steps):
            error = 1.0 - y
            accumulated += error * STEP
            control = proportional * error + integral * accumulated + derivative * (error - error_before) / STEP
            inputs[k] = np.clip(control, -10.0, 10.0)  # the actuator's limits
            error_before = error
            y = y + STEP / self.time_constant * ((inputs[k - lag] if k >= lag else 0.0) - y)
            itae += k * STEP * np.abs(error) * STEP
            peak = np.maximum(peak, y)
        return evo.Evaluation(objectives=itae, violations=peak - 1.0 - self.max_overshoot)
