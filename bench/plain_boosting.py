"""What a data scientist would write first for any table: scikit-learn's gradient boosting with its defaults.

python bench/plain_boosting.py TRAIN VALIDATION TEST TARGET TASK; prints the error on the test rows and the seconds.
"""

import json
import sys
import time

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def main(train: str, validation: str, test: str, target: str, task: str) -> dict[str, float]:
    """Learns from the first two tables and scores on the third: log loss, or mean absolute error."""
    started = time.perf_counter()
    learnt = pd.concat([pd.read_parquet(train), pd.read_parquet(validation)], ignore_index=True)
    asked = pd.read_parquet(test)
    for table in (learnt, asked):
        for name in table.select_dtypes("datetime").columns:
            table[name] = table[name].astype("int64")
    texts = make_column_selector(dtype_include=["object", "string", "bool", "category"])
    few = [name for name in texts(learnt.drop(columns=target)) if learnt[name].nunique() <= 255]
    many = [name for name in texts(learnt.drop(columns=target)) if name not in few]
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": float("nan")}
    encoders = (OrdinalEncoder(**unknown), few), (OrdinalEncoder(**unknown), many)
    features = make_column_transformer(*encoders, remainder="passthrough")
    made = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    model = make_pipeline(features, made(categorical_features=list(range(len(few))) or None, random_state=0))
    truth = asked[target]
    model.fit(learnt.drop(columns=target), learnt[target])
    if task == "classification":
        error = log_loss(truth, model.predict_proba(asked.drop(columns=target)), labels=model.classes_)
    else:
        error = mean_absolute_error(truth, model.predict(asked.drop(columns=target)))
    return {"error": float(error), "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
